"""Recipes, batches and the training loop."""

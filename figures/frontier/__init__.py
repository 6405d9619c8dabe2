"""Accuracy over difficulty and steps, and the paper's beside it."""

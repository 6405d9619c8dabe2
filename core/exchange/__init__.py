"""Checkpoints and traces as files that others read and write."""

"""Attention at every step and head, and one map enlarged."""

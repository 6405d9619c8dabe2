"""Reachability in a directed graph."""

"""Colours, number formats and what all plots share."""

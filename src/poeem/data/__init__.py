"""Interactions, splits, histories and the data sets by name."""

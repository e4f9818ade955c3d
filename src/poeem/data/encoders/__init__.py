"""Frozen encoders that make vectors of texts, each read from a Python package in the cache."""

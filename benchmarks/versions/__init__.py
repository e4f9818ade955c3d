"""Benchmarks of a new version of a model and its index."""

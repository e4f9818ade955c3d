"""Benchmarks of trained index and post-hoc indexes on interactions."""

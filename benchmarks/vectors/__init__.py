"""Vectors for the benchmarks of engines and of time."""

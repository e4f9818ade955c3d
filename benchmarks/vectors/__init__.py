"""Benchmarks of vectors that benchmarks of engines and of time use."""

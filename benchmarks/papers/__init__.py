"""Benchmarks of comparisons with the published papers."""

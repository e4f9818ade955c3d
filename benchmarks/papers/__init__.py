"""Benchmarks that compare with the published papers."""

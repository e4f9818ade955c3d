"""Benchmarks of the time of single operations."""

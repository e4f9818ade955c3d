"""Benchmarks of time of single operations."""

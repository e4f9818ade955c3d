"""Benchmarks of product search: MGDSPR and its parts, the index beside it, and filters."""

"""Benchmarks of indexes for frozen embeddings."""

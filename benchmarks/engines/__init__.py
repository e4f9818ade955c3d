"""Benchmarks of faiss, Lance and ScaNN: correctness, export and search."""

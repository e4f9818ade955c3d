"""Benchmark of quantizers on fixed vectors: each method at several sizes, with several seeds."""

"""Benchmarks of quantizers on fixed vectors: several methods, sizes and seeds."""

"""Benchmarks of models of texts trained together with their index."""

"""Pairs of texts: building a model, and a finished run."""

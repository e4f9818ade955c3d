"""Encoding of items that may be larger than memory: sources of vectors, parts of the output, processes, Ray Data."""

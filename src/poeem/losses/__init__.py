"""Losses of queries and items, on float and on quantized vectors."""

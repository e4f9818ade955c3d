"""Pairs of texts: a query and the item that answers it."""

"""Towers: what makes vectors of histories and of items."""

"""Recipes: short lists of choices that make a good model with its index."""

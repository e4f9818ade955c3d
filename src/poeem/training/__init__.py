"""Training: the loop, its parts, and the recipes that put them together."""

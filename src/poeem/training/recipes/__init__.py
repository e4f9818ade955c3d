"""Recipes: complete trainings, from data to a stored run."""

"""Interactions: a finished run and its stored data."""

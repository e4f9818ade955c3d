"""Scorers, exact neighbours, ranking metrics and their intervals."""

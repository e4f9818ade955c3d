"""Ranking metrics, scorers, exact neighbours and post-hoc baselines."""

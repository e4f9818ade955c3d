"""Metric: the names of the three similarities, ``ip``, ``l2`` and ``cosine``."""

from __future__ import annotations

from typing import Literal

Metric = Literal["ip", "l2", "cosine"]
METRICS = ("ip", "l2", "cosine")


def check_metric(metric: str) -> None:
    """Raise ValueError for any other name.

    >>> check_metric("dot")
    Traceback (most recent call last):
    ...
    ValueError: metric (='dot') must be one of 'ip', 'l2', 'cosine'
    """
    if metric not in METRICS:
        raise ValueError(f"metric (={metric!r}) must be one of {', '.join(map(repr, METRICS))}")

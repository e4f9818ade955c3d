"""Metrics and random queries."""

from __future__ import annotations

import numpy as np

METRICS = ["ip", "l2", "cosine"]


def some_queries(n=7, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")

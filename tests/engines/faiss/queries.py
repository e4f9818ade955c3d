"""Metrics, random queries, queries near the items, and a bundle in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poeem.engines.reference import ReferenceScorer

METRICS = ["ip", "l2", "cosine"]


def some_queries(n=7, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


def near(bundle, seed=5):
    """Vectors that the bundle's codes could be of."""
    decoded = ReferenceScorer(bundle).decode()
    return decoded + np.random.default_rng(seed).normal(0, 0.2, decoded.shape).astype("float32")


def split(bundle, into=3):
    """The bundle's rows dealt out to several."""
    return [
        replace(
            bundle,
            ids=bundle.ids[i::into],
            codes=bundle.codes[i::into],
            lists=None if bundle.lists is None else bundle.lists[i::into],
        )
        for i in range(into)
    ]

"""Intervals: how sure a mean over queries or seeds is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Student's t at 97.5 % for 1 to 30 degrees of freedom; past 30 the normal value is within 4 %.
# fmt: off
_T = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
]
# fmt: on


class Interval(NamedTuple):
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def seed_interval(values: np.ndarray) -> Interval:
    """95 % interval of a mean over seeds, by Student's t: ``mean ± t s / sqrt(n)``.

    Args:
        values: one figure a seed, ``(n,)``, at least 2; for a comparison the differences or ratios within each seed.
    Raises:
        ValueError: fewer than 2 values.

    >>> seed_interval(np.array([0.50, 0.51, 0.52]))
    Interval(mean=0.51, low=0.485..., high=0.534...)
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"values must be one figure for each of at least 2 seeds, got shape {values.shape}")
    t = _T[len(values) - 2] if len(values) - 1 <= len(_T) else 1.96
    half = t * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def query_interval(values: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """95 % bootstrap interval of a mean over queries (Efron's percentiles).

    For a paired comparison of two scorers give the differences query by query: ``query_interval(a - b)``.

    Args:
        values: one figure a query, ``(nq,)``.
        resamples: number of resampled means.
        seed: of the resampling.
    Raises:
        ValueError: no values.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values must be one figure for each query, got shape {values.shape}")
    random = np.random.default_rng(seed)
    # One resample at a time: (resamples, nq) at once would be tens of MB for nothing.
    means = [values[random.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))

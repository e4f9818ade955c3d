"""Test whether all coarse centroids have the same norm; under ``ip`` and ``cosine`` they are trained so by default."""

from __future__ import annotations

import numpy as np

# Norms count as equal when they differ by less: float32 rounding, no more.
EQUAL_NORM_TOLERANCE = 1e-4


def have_equal_norms(coarse: np.ndarray) -> bool:
    """Return whether all rows have the same L2 norm, up to float32 rounding.

    >>> have_equal_norms(np.array([[3.0, 4.0], [0.0, 5.0]])), have_equal_norms(np.array([[3.0, 4.0], [0.0, 4.0]]))
    (True, False)
    """
    norms = np.linalg.norm(coarse.astype(np.float64), axis=1)
    return bool(np.ptp(norms) <= EQUAL_NORM_TOLERANCE * norms.max())

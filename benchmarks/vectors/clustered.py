"""Synthetic vectors for measurements of time."""

from __future__ import annotations

import numpy as np

DIM = 64


def clustered(rows: int, seed: int) -> np.ndarray:
    """Unit vectors around 2,000 centres, correlated: neither uniform noise nor trivially separable."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(DIM, dtype=np.float32)[:, None] / 20)
    mixing = rng.standard_normal((DIM, DIM), dtype=np.float32) * decay
    x = rng.standard_normal((2000, DIM), dtype=np.float32)[rng.integers(0, 2000, rows)]
    x = (x + 0.7 * rng.standard_normal((rows, DIM), dtype=np.float32)) @ mixing
    return x / np.linalg.norm(x, axis=1, keepdims=True)

"""Vectors of unit length, for ``cosine``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard, is_exporting


def unit_length(x: Tensor, *, zeros_allowed: bool = False, first: int = 0) -> Tensor:
    """Divide every row by its L2 norm.

    Args:
        x: float, ``(n, dim)``.
        zeros_allowed: whether a zero row is accepted; it stays zero. In an export it always is.
        first: number of the first row, for the error message.
    Returns:
        float, ``(n, dim)``.
    Raises:
        ValueError: a row is zero, unless ``zeros_allowed``.

    >>> unit_length(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    if not zeros_allowed:
        _check_nonzero(norms, first)
    # As torch's normalize: a zero vector stays zero.
    return x / norms.clamp_min(1e-12)


def row_lengths(vectors: np.ndarray) -> np.ndarray:
    """L2 norms of rows, float64 ``(n, 1)``: squares of floats of 1e20 and more do not fit in float32.

    >>> row_lengths(np.array([[3e30, 4e30]], dtype=np.float32)).round(-25)
    array([[5.e+30]])
    """
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, float32 ``(n, dim)``; a row of 1e-12 or less stays near zero."""
    return (vectors / row_lengths(vectors).clip(min=1e-12)).astype(np.float32, copy=False)


def as_served(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Return vectors as an exported index takes them: float32 ``(n, dim)``, of unit length under ``cosine``."""
    return unit_rows(vectors) if metric == "cosine" else vectors.astype(np.float32, copy=False)


@compile_guard
def _check_nonzero(norms: Tensor, first: int) -> None:
    if is_exporting():
        return
    zero = norms[:, 0] == 0
    if bool(zero.any()):
        raise ValueError(
            f"x has {int(zero.sum())} zero rows, the first is row {first + int(zero.nonzero()[0])}; they have no "
            "direction under metric='cosine': drop them or use metric='ip'"
        )

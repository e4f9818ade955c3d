"""Procrustes: the orthogonal matrix that brings one set of vectors nearest to another."""

from __future__ import annotations

import torch
from torch import Tensor


def procrustes(x: Tensor, target: Tensor) -> Tensor:
    """Find the orthogonal matrix that brings vectors nearest to their targets: ``argmin_R ||x R - target||_F``.

    It is ``R = U V^T``, from the SVD ``x^T target = U S V^T``. OPQ rotates by it, with the quantized vectors as
    targets. ``R`` may be a reflection (determinant -1), which serves a quantizer as well as a rotation.

    Args:
        x, target: float, ``(n, dim)``, on one device.
    Returns:
        orthogonal ``R``, ``(dim, dim)``, dtype of ``x``; computed in float64.
    Raises:
        ValueError: the shapes differ, there is no row, or a value is not finite.
    Source:
        Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966.

    >>> procrustes(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [-2.0, 0.0]])) + 0.0
    tensor([[ 0.,  1.],
            [-1.,  0.]])
    """
    if x.dim() != 2 or x.shape != target.shape or not len(x):
        raise ValueError(
            f"x (of shape {tuple(x.shape)}) and target (of shape {tuple(target.shape)}) must both be (n, dim), n >= 1"
        )
    # In float32 the result would be orthogonal to about 1e-6 only; float64 also keeps autocast and TF32 out.
    correlation = x.double().T @ target.double()
    if not correlation.isfinite().all():
        raise ValueError("x and target must be finite; drop the rows with NaN or infinite values")
    left, _, right = torch.linalg.svd(correlation)
    return (left @ right).to(x.dtype)

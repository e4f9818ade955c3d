"""The coarse stage: every vector belongs to the inverted list of its nearest centroid."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.nearest import assign_nearest


def assign_lists(x: Tensor, centroids: Tensor) -> Tensor:
    """Assign every vector to the inverted list of its nearest centroid: ``argmin_j ‖x - C_j‖²``.

    Args:
        x: float32, ``(..., dim)``, rotated if there is a rotation.
        centroids: float32, ``(nlist, dim)``.
    Returns:
        int64 list numbers in ``[0, nlist)``, ``(...)``; ties go to the lowest number.
    Raises:
        ValueError: the widths of the two differ.

    >>> assign_lists(torch.tensor([[0.2, 0.9]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor([1])
    """
    if x.ndim < 2 or x.shape[-1] != centroids.shape[1]:
        raise ValueError(f"x (shape {tuple(x.shape)}) must be (..., {centroids.shape[1]}), as wide as the centroids")
    return assign_nearest(x.reshape(-1, 1, x.shape[-1]), centroids[None]).reshape(x.shape[:-1])


def equal_norms(centroids: Tensor, norm: Tensor | None = None) -> Tensor:
    """Scale all centroids to one length, by default their mean length.

    With equal norms the nearest centroid by L2 is also the one of the largest inner product, so an engine that
    assigns or probes by inner product finds the lists that training used.

    Args:
        centroids: float, ``(nlist, dim)``; a zero row stays zero.
        norm: float, a scalar: the new length; None takes the mean length of the centroids.
    Returns:
        float, ``(nlist, dim)``, all rows of length ``norm``.

    >>> equal_norms(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([[2., 0.],
            [0., 2.]])
    """
    norms = torch.linalg.vector_norm(centroids, dim=1, keepdim=True)
    if norm is None:
        norm = norms.mean()
    # A centroid at the origin has no direction; it stays there and does not become NaN.
    return centroids * (norm / norms.clamp_min(torch.finfo(centroids.dtype).tiny))

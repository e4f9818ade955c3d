"""The strict upper triangle of a square matrix as a vector; it numbers the planes (i, j), i < j."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

import numpy as np
import torch
from torch import Tensor


def pack_upper(matrix: Tensor) -> Tensor:
    """Return the strict upper triangle of a matrix as a vector, row by row.

    Args:
        matrix: ``(dim, dim)``.
    Returns:
        ``(dim * (dim - 1) / 2,)``.
    Raises:
        ValueError: ``matrix`` is not square.

    >>> pack_upper(torch.tensor([[0, 1, 2], [9, 0, 3], [9, 9, 0]]))
    tensor([1, 2, 3])
    """
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix (of shape {tuple(matrix.shape)}) must be square, (dim, dim)")
    return matrix.reshape(-1).index_select(0, _flat_upper(matrix.shape[0], matrix.device))


def unpack_upper(vector: Tensor) -> Tensor:
    """Make an upper triangular matrix with a zero diagonal from a vector; the inverse of :func:`pack_upper`.

    Args:
        vector: ``(dim * (dim - 1) / 2,)``.
    Returns:
        ``(dim, dim)``.
    Raises:
        ValueError: no ``dim`` has a triangle of this length.

    >>> unpack_upper(torch.tensor([1, 2, 3]))
    tensor([[0, 1, 2],
            [0, 0, 3],
            [0, 0, 0]])
    """
    dim = triangle_dim(vector)
    return vector.new_zeros(dim * dim).index_copy(0, _flat_upper(dim, vector.device), vector).view(dim, dim)


def skew(vector: Tensor) -> Tensor:
    """Make the skew-symmetric matrix ``A`` (``A^T = -A``) with ``A[i, j] = vector`` for i < j.

    Args:
        vector: ``(dim * (dim - 1) / 2,)``, in the order of :func:`pack_upper`.
    Returns:
        ``(dim, dim)``.

    >>> skew(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[ 0.,  1.,  2.],
            [-1.,  0.,  3.],
            [-2., -3.,  0.]])
    """
    upper = unpack_upper(vector)
    return upper - upper.T


def upper_position(pairs: Tensor, dim: int) -> Tensor:
    """Return where the planes ``(i, j)`` stand in the vector of :func:`pack_upper`.

    Args:
        pairs: int64, ``(p, 2)``, each row with i < j < dim.
        dim: width of the matrix.
    Returns:
        int64, ``(p,)``.

    >>> upper_position(torch.tensor([[0, 2], [1, 2]]), 3)
    tensor([1, 2])
    """
    i, j = pairs.unbind(1)
    return (i * (2 * dim - 3 - i) >> 1) + j - 1


def triangle_dim(vector: Tensor) -> int:
    """Return the ``dim`` with ``dim * (dim - 1) / 2 = len(vector)``; 1 for an empty vector.

    Raises:
        ValueError: there is no such ``dim``.

    >>> triangle_dim(torch.zeros(6))
    4
    """
    length = vector.numel()
    dim = (1 + isqrt(1 + 8 * length)) // 2
    if vector.dim() != 1 or dim * (dim - 1) // 2 != length:
        raise ValueError(
            f"vector (of shape {tuple(vector.shape)}) must be a strict upper triangle, (dim * (dim - 1) / 2,): "
            f"{dim * (dim - 1) // 2} values for dim={dim}, {dim * (dim + 1) // 2} for dim={dim + 1}"
        )
    return dim


def _flat_upper(dim: int, device: torch.device) -> Tensor:
    """Row-major positions of the strict upper triangle in a flattened (dim, dim) matrix."""
    if device.type == "cpu":
        return torch.from_numpy(_flat_upper_numpy(dim))
    rows, columns = torch.triu_indices(dim, dim, 1, device=device)
    return rows * dim + columns


# Cached as a numpy array: a tensor created in inference mode could not be used in autograd.
@lru_cache(maxsize=8)
def _flat_upper_numpy(dim: int) -> np.ndarray:
    rows, columns = np.triu_indices(dim, 1)
    return rows * dim + columns

"""The Cayley map between skew-symmetric matrices and rotations."""

from __future__ import annotations

import torch
from torch import Tensor


def cayley(skew: Tensor) -> Tensor:
    """``R = (I + A)^-1 (I - A)``: orthogonal with determinant +1, differentiable in ``A``.

    It reaches every rotation without the eigenvalue -1 (a turn by 180 degrees is at infinity). A plane rotation by
    ``theta`` comes from ``A_ij = tan(theta / 2)``, as the right block ``[[c, -s], [s, c]]``.

    Args:
        skew: float, skew-symmetric ``A``, ``(dim, dim)``; float64 keeps ``R`` orthogonal however large ``A`` is.
            :func:`poeem.functional.triangle.skew` makes one from a vector.
    Returns:
        ``(dim, dim)``, dtype and device of ``skew``.
    Raises:
        ValueError: ``skew`` is not square.
    Source:
        Golub & Van Loan, "Matrix Computations", 4th edition, problem 2.5.

    >>> cayley(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])) + 0.0  # theta = 90 degrees
    tensor([[ 0., -1.],
            [ 1.,  0.]])
    """
    return _cayley(skew, "skew")


def inverse_cayley(rotation: Tensor) -> Tensor:
    """``A = (I + R)^-1 (I - R)``, the skew-symmetric matrix with ``cayley(A) = R``: the map is its own inverse.

    Args:
        rotation: float, orthogonal ``(dim, dim)`` without the eigenvalue -1, hence with determinant +1.
    Returns:
        skew-symmetric ``(dim, dim)``.
    Raises:
        ValueError: ``rotation`` is not square, or has (to rounding) the eigenvalue -1.

    >>> inverse_cayley(torch.tensor([[0.0, -1.0], [1.0, 0.0]])) + 0.0
    tensor([[ 0.,  1.],
            [-1.,  0.]])
    """
    result = _cayley(rotation, "rotation")
    # tan(theta / 2) above 1 / eps means that theta cannot be told from 180 degrees.
    if not (result.abs() < 1 / torch.finfo(result.dtype).eps).all():
        raise ValueError(
            "rotation must not have the eigenvalue -1 (it is a reflection, or turns a plane by 180 degrees); "
            "use it as a constant factor before a Cayley rotation"
        )
    return (result - result.T) / 2


def _cayley(matrix: Tensor, name: str) -> Tensor:
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} (of shape {tuple(matrix.shape)}) must be square, (dim, dim)")
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    # solve_ex does not raise on a singular matrix (the caller sees inf or NaN) and so costs no synchronisation.
    return torch.linalg.solve_ex(identity + matrix, identity - matrix)[0]

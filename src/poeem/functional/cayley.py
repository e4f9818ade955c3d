"""The Cayley map between skew-symmetric matrices and rotations."""

from __future__ import annotations

import torch
from torch import Tensor


def cayley(skew: Tensor) -> Tensor:
    """Map a skew-symmetric matrix to a rotation: ``R = (I + A)^-1 (I - A)``, orthogonal with determinant +1.

    The map is differentiable in ``A``. It reaches every rotation without the eigenvalue -1; a rotation by 180 degrees
    would need infinite entries. ``A_ij = tan(theta / 2)`` rotates the plane ``(i, j)`` by ``theta``: rows and columns
    ``i`` and ``j`` of ``R`` are ``[[c, -s], [s, c]]`` with ``c = cos(theta)`` and ``s = sin(theta)``.

    Args:
        skew: float, skew-symmetric ``A``, ``(dim, dim)``, which is not checked; float64 keeps ``R`` orthogonal however
            large ``A`` is. :func:`poeem.functional.triangle.skew` makes one from a vector.
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
    if skew.dim() != 2 or skew.shape[0] != skew.shape[1]:
        raise ValueError(f"skew (of shape {tuple(skew.shape)}) must be square, (dim, dim)")
    identity = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
    # solve_ex does not raise on a singular matrix (the caller sees inf or NaN) and so costs no synchronisation.
    return torch.linalg.solve_ex(identity + skew, identity - skew)[0]

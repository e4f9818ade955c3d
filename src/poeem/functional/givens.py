"""Givens rotations of many coordinate planes of an orthogonal matrix, and their derivative."""

from __future__ import annotations

import torch
from torch import Tensor


def skew_gradient(R: Tensor, G: Tensor) -> Tensor:
    """Compute the derivative of a loss in the angle of every coordinate plane: ``A = G^T R - R^T G``.

    ``A_ij`` is the derivative in the angle of plane ``(i, j)`` at angle zero, in loss units per radian. The plane
    rotation stands on the right of ``R``; its block in rows and columns ``(i, j)`` is ``[[cos, -sin], [sin, cos]]``. A
    step of gradient descent rotates the plane by ``-lr * A_ij``.

    Args:
        R: float, orthogonal, ``(dim, dim)``.
        G: float, ``dloss / dR``, ``(dim, dim)``.
    Returns:
        skew-symmetric, ``(dim, dim)``.
    Raises:
        ValueError: the shapes are not equal and square.
    Source:
        Jiang et al., "Givens Coordinate Descent Methods for Rotation Matrix Learning in Trainable Embedding Indexes",
        ICLR 2022.

    >>> skew_gradient(torch.eye(2), torch.tensor([[0.0, 1.0], [3.0, 0.0]]))
    tensor([[ 0.,  2.],
            [-2.,  0.]])
    """
    if R.dim() != 2 or R.shape[0] != R.shape[1] or R.shape != G.shape:
        raise ValueError(f"R (of shape {tuple(R.shape)}) and G (of shape {tuple(G.shape)}) must both be (dim, dim)")
    product = G.T @ R  # R^T G is its transpose: one product instead of two
    return product - product.T


def rotate_pairs(R: Tensor, pairs: Tensor, angles: Tensor) -> Tensor:
    """Rotate several disjoint coordinate planes of a matrix at once: ``R' = R @ prod Givens(i, j, angle)``.

    Column ``i`` of the result is ``c R_i + s R_j`` and column ``j`` is ``c R_j - s R_i``. All other columns are kept.

    Args:
        R: float, ``(n, dim)``, usually an orthogonal ``(dim, dim)``.
        pairs: int64, ``(p, 2)``. No coordinate may appear twice; this is not checked, because the check would wait for
            an accelerator.
        angles: float, ``(p,)``, radians; differentiable.
    Returns:
        float, of the shape of ``R``.
    Raises:
        ValueError: the shapes do not fit.
    Source:
        Jiang et al., ICLR 2022: a block of dim / 2 commuting rotations.

    >>> rotate_pairs(torch.eye(3), torch.tensor([[0, 2]]), torch.tensor([0.5]))
    tensor([[ 0.8776,  0.0000, -0.4794],
            [ 0.0000,  1.0000,  0.0000],
            [ 0.4794,  0.0000,  0.8776]])
    """
    _check_pairs(R, pairs, angles)
    # All columns at once: R * cos + (R with the partners exchanged) * (+-sin); a free column is rotated by 0.
    order = pairs.T.reshape(-1)
    partner = torch.arange(R.shape[1], device=R.device).index_copy(0, order, order.roll(len(pairs)))
    angle_of = torch.zeros_like(R[0]).index_copy(0, order, torch.cat([angles, -angles]).to(R.dtype))
    return torch.addcmul(R * angle_of.cos(), R.index_select(1, partner), angle_of.sin())


def best_angles(product: Tensor, pairs: Tensor) -> Tensor:
    """Compute the angles of disjoint planes that minimise ``||x R' - y||_F`` for fixed ``y``.

    With ``M = R^T x^T y``, half of the squared loss of one plane is ``-(M_ii + M_jj) cos - (M_ji - M_ij) sin`` plus a
    constant, so the best angle is ``atan2(M_ji - M_ij, M_ii + M_jj)``. This lowers the distortion for fixed codes
    without a learning rate. The :func:`skew_gradient` of the whole squared loss is ``2 (M - M^T)``.

    Args:
        product: float, ``M``, ``(dim, dim)``. ``x`` are vectors before rotation and ``y`` decoded vectors in rotated
            space, both ``(n, dim)``. ``x^T y`` does not depend on the rotation.
        pairs: int64, ``(p, 2)``, disjoint. Each angle is also the best one if only its plane is rotated.
    Returns:
        ``(p,)`` radians in ``[-pi, pi]``, for :func:`rotate_pairs`.
    Raises:
        ValueError: ``product`` is not square.

    >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    >>> best_angles(x.T @ y, torch.tensor([[0, 1]]))
    tensor([-1.5708])
    """
    if product.dim() != 2 or product.shape[0] != product.shape[1]:
        raise ValueError(f"product (of shape {tuple(product.shape)}) must be R^T x^T y, (dim, dim)")
    i, j = pairs.unbind(1)
    return torch.atan2(product[j, i] - product[i, j], product[i, i] + product[j, j])


def _check_pairs(R: Tensor, pairs: Tensor, angles: Tensor) -> None:
    if R.dim() != 2 or pairs.dim() != 2 or pairs.shape[1] != 2 or angles.shape != pairs.shape[:1]:
        raise ValueError(
            f"R (of shape {tuple(R.shape)}), pairs (of shape {tuple(pairs.shape)}) and angles (of shape "
            f"{tuple(angles.shape)}) must be (n, dim), (p, 2) and (p,)"
        )

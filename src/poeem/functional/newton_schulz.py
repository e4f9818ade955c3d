"""Newton-Schulz: pull a nearly orthogonal matrix back onto the orthogonal group with matrix products only."""

from __future__ import annotations

from torch import Tensor


def newton_schulz(matrix: Tensor, steps: int = 1) -> Tensor:
    """Bring a nearly orthogonal matrix closer to orthogonal: ``R <- 1.5 R - 0.5 R R^T R``, repeated.

    It converges to the orthogonal factor of the polar decomposition if all singular values lie in ``(0, sqrt(3))``. A
    step maps every singular value ``s`` to ``1.5 s - 0.5 s^3``; an error ``e = max|R^T R - I|`` becomes about ``0.75
    e^2``. It is differentiable. At an orthogonal ``R`` its derivative projects on the tangent space of the orthogonal
    group.

    Args:
        matrix: float, ``(dim, dim)``; float64 where float32 products may be rounded (autocast, TF32).
        steps: number of steps, 0 or more.
    Returns:
        ``(dim, dim)``, dtype and device of ``matrix``.
    Raises:
        ValueError: ``matrix`` is not square or ``steps`` is negative.
    Source:
        Higham, "Functions of Matrices", 2008, section 8.3.

    >>> import torch
    >>> newton_schulz(torch.tensor([[0.9, 0.0], [0.0, 1.0]]), steps=3)
    tensor([[1.0000, 0.0000],
            [0.0000, 1.0000]])
    """
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix (of shape {tuple(matrix.shape)}) must be square, (dim, dim)")
    if steps < 0:
        raise ValueError(f"steps (={steps}) must be 0 or more")
    for _ in range(steps):
        matrix = 1.5 * matrix - 0.5 * (matrix @ (matrix.T @ matrix))
    return matrix

"""Balanced assignment by optimal transport: every codeword is used equally often within a batch; for training."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard
from poeem.functional.pq import split


@compile_guard
@torch.no_grad()
def assign_balanced(residuals: Tensor, codebooks: Tensor, *, epsilon: float = 1.0, iterations: int = 10) -> Tensor:
    """Assign codes so that every codeword is used about equally often: ``n / ksub`` of the ``n`` rows each, as far as
    the iterations have converged.

    The assignment is the cheapest transport of the vectors to the codewords. Sinkhorn's iterations compute it for every
    slice ``m``: ``P = diag(a) exp(-‖r_m - B_mk‖² / ε) diag(b)``, where ``a`` and ``b`` are scaled until rows sum to 1
    and columns to ``n / ksub``. The code is ``k_m = argmax_k P``. Codewords far from all vectors still get vectors, and
    so a gradient. It is for training only: the code of a vector depends on the other vectors of its batch.

    Args:
        residuals: float32, ``(..., dim)``; all of these rows are balanced together.
        codebooks: float32, ``(M, ksub, dsub)`` with ``M * dsub == dim``.
        epsilon: ``ε``, above 0, in units of a slice's mean squared distance to the nearest codeword. A small value
            balances more strictly and needs more iterations.
        iterations: number of Sinkhorn iterations.
    Returns:
        int64 codes in ``[0, ksub)``, ``(..., M)``.
    Source:
        Zhan et al., "Learning discrete representations via constrained clustering for effective and efficient dense
        retrieval" (RepCONC), 2022, section 3.3; Cuturi, "Sinkhorn distances", 2013.

    >>> books = torch.tensor([[[0.0], [1.0]]])  # M=1, ksub=2, dsub=1
    >>> assign_balanced(torch.tensor([[-0.1], [0.0], [0.2], [0.3]]), books, iterations=100).flatten()
    tensor([0, 0, 1, 1])
    """
    M, ksub, _ = codebooks.shape
    leading = residuals.shape[:-1]
    residuals = residuals.reshape(-1, residuals.shape[-1])
    n = len(residuals)
    slices = split(residuals, M).transpose(0, 1)
    if n == 0:
        return torch.empty(*leading, M, dtype=torch.int64, device=residuals.device)
    centre = codebooks.mean(1, keepdim=True)
    codewords, slices = codebooks - centre, slices - centre
    distances = torch.baddbmm(codewords.square().sum(-1)[:, None], slices, codewords.mT, alpha=-2)
    distances += slices.square().sum(-1, keepdim=True)
    scale = epsilon * distances.amin(2).clamp_min(0).mean(1)[:, None, None].clamp_min(1e-30)
    # Minus the minimum of each row and column: every row and column then has an entry that does not underflow. The plan
    # is the same, because a and b absorb any factor of a row or a column.
    distances -= distances.amin(2, keepdim=True)
    distances -= distances.amin(1, keepdim=True)
    kernel = (-distances / scale).exp_()
    a = torch.ones(M, n, 1, dtype=kernel.dtype, device=kernel.device)
    b = a
    for _ in range(iterations):
        b = (n / ksub) / torch.bmm(kernel.mT, a).clamp_min(1e-30)
        a = 1 / torch.bmm(kernel, b).clamp_min(1e-30)
    return (kernel * b.mT).argmax(-1).T.reshape(*leading, M)

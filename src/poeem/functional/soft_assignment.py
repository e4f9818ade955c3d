"""Soft assignment: a mean of codewords weighted by their distances, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.pq import split


def soft_codewords(residuals: Tensor, codebooks: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute a mean of all codewords, weighted by their distances, slice by slice: ``Σ_k p_mk B_mk``.

    The weights are ``p_m = softmax_k(-‖r_m - B_mk‖² / (T s_m))``. ``s_m`` is the mean squared distance to the nearest
    codeword of slice m, without gradient, so that a temperature ``T`` means the same in every slice and at every scale.
    As ``T`` falls to 0 the result becomes the nearest codewords, and the gradient of the residuals falls to 0 except at
    the edges of the cells.

    Args:
        residuals: float, ``(..., dim)``.
        codebooks: float, ``(M, ksub, dsub)`` with ``M * dsub == dim``.
        temperature: ``T``, above 0.
    Returns:
        float, ``(..., dim)``, differentiable in residuals and codebooks.
    Source:
        Agustsson et al., "Soft-to-hard vector quantization for end-to-end learning compressible representations", 2017.

    >>> books = torch.tensor([[[0.0], [1.0]]])  # M=1, ksub=2, dsub=1
    >>> soft_codewords(torch.tensor([[0.5], [0.1]]), books, temperature=1e-3)
    tensor([[0.5000],
            [0.0000]])
    """
    M, leading = codebooks.shape[0], residuals.shape[:-1]
    residuals = residuals.reshape(-1, residuals.shape[-1])
    slices = split(residuals, M).transpose(0, 1)
    # Relative to the mean of the codewords, so that float32 does not cancel far from the origin.
    centre = codebooks.detach().mean(1, keepdim=True)
    codewords, slices = codebooks - centre, slices - centre
    norms = slices.square().sum(-1, keepdim=True) + codewords.square().sum(-1)[:, None]
    distances = torch.baddbmm(norms, slices, codewords.mT, alpha=-2)
    scale = distances.detach().amin(-1).clamp_min(0).mean(1) if residuals.shape[0] else distances.new_ones(M)
    shares = (-distances / (temperature * scale.clamp_min(1e-12))[:, None, None]).softmax(-1)
    return torch.bmm(shares, codebooks).transpose(0, 1).flatten(1).unflatten(0, leading)

"""The rotation trick: the gradient is rotated from the reconstruction to the vector."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_trick(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return ``x_hat`` with the gradient of the rotation trick: ``sg(λ R) x``.

    ``λ = ‖x̂‖ / ‖x‖``, and ``R`` rotates ``x`` to ``x̂`` in the plane of the two; ``sg`` stops the gradient. A gradient
    ``g`` reaches ``x`` as ``λ Rᵀ g``, so its angle to the vector stays the same; the straight-through estimator keeps
    its direction instead. Vectors of one codeword are thus pulled apart or together, depending on where they lie in its
    cell. No gradient goes to the index.

    No matrix is made: ``R = I - 2 r rᵀ + 2 x̂' x'ᵀ``, where ``x'`` and ``x̂'`` have unit length and ``r ∝ x' + x̂'``.

    Args:
        x, x_hat: float, ``(..., dim)``: vectors and their reconstructions. Where either is zero the gradient passes
            unchanged; where they are opposite, a reflection is used in place of the rotation.
    Returns:
        float, ``(..., dim)``, equal to ``x_hat``.
    Source:
        Fifty et al., "Restructuring vector quantization with the rotation trick", 2024 (arXiv 2410.06424), section 4.2.

    >>> x = torch.tensor([[2.0, 0.0]], requires_grad=True)
    >>> y = rotation_trick(x, torch.tensor([[0.0, 1.0]]))
    >>> y.backward(torch.tensor([[0.0, 1.0]]))  # away from the origin stays away from the origin
    >>> y.detach(), x.grad.round(decimals=6)
    (tensor([[0., 1.]]), tensor([[0.5000, 0.0000]]))
    """
    start, end = x.detach(), x_hat.detach()
    start_norm, end_norm = (torch.linalg.vector_norm(v, dim=-1, keepdim=True) for v in (start, end))
    tiny = torch.finfo(x.dtype).tiny
    start_unit, end_unit = start / start_norm.clamp_min(tiny), end / end_norm.clamp_min(tiny)
    between = start_unit + end_unit
    # Opposite vectors have no middle: what remains of R is then a reflection, which works as well.
    between = between / torch.linalg.vector_norm(between, dim=-1, keepdim=True).clamp_min(tiny**0.5)
    along, across = ((x * unit).sum(-1, keepdim=True) for unit in (start_unit, between))
    rotated = (x - 2 * across * between + 2 * along * end_unit) * (end_norm / start_norm.clamp_min(tiny))
    rotated = torch.where((start_norm > 0) & (end_norm > 0), rotated, x)
    # The value is exactly x_hat: rounding must not make training score other vectors than the engine.
    return rotated + (end - rotated).detach()

"""The rotation trick: the gradient is carried from the reconstruction to the vector by the turn between them."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_trick(x: Tensor, x_hat: Tensor) -> Tensor:
    """``sg(λ R) x`` with ``λ = ‖x̂‖ / ‖x‖`` and ``R`` the rotation in their plane that takes ``x`` to ``x̂``.

    The value is ``x̂``. The gradient arrives at ``x`` turned and scaled back, ``λ Rᵀ g``: it keeps its angle to the
    vector, where the straight-through estimator keeps its direction. Two vectors of one word are so pulled apart or
    together, according to where they lie in its cell. None goes to the index.

    ``R = I - 2 r rᵀ + 2 x̂' x'ᵀ``, of unit vectors ``x'``, ``x̂'`` and ``r ∝ x' + x̂'``, so no matrix is made.

    Args:
        x, x_hat: float, ``(..., dim)``. Where either is zero nothing can turn, and the gradient goes straight through.
    Returns:
        float, ``(..., dim)``.
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
    # Opposite vectors have no middle: what remains of R is then a reflection, which serves as well.
    between = between / torch.linalg.vector_norm(between, dim=-1, keepdim=True).clamp_min(tiny**0.5)
    along, across = ((x * unit).sum(-1, keepdim=True) for unit in (start_unit, between))
    turned = (x - 2 * across * between + 2 * along * end_unit) * (end_norm / start_norm.clamp_min(tiny))
    turned = torch.where((start_norm > 0) & (end_norm > 0), turned, x)
    # The same value but for rounding, which must not make training score what the engine does not.
    return turned + (end - turned).detach()

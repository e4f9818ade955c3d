"""Scores of all pairs as an engine ranks by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def scores(queries: Tensor, items: Tensor, metric: str) -> Tensor:
    """``<q, x>``, ``<q / |q|, x>`` or ``-|q - x|^2 + |q|^2`` for ``ip``, ``cosine`` and ``l2``: larger is better.

    Under ``l2`` the part is left out that all items share. Items are never normalised: decoded ones are not.

    Args:
        queries: float, ``(..., dim)``; computed in float32, under autocast too.
        items: float, ``(m, dim)``.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``.
    Returns:
        float32 ``(..., m)``, differentiable in both.

    >>> scores(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 3.0]]), "l2")  # 25 less 20, and less 1
    tensor([[ 5., 24.]])
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, items = queries.float(), items.float()
        if metric == "cosine":
            queries = F.normalize(queries, dim=-1)
        found = queries @ items.T
        return 2 * found - items.square().sum(1) if metric == "l2" else found

"""Scores of all pairs as an engine ranks by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def scores(queries: Tensor, items: Tensor, metric: str) -> Tensor:
    """Score all pairs of queries and items, so that larger is better.

    ``ip``: ``<q, x>``; ``cosine``: ``<q / |q|, x>``; ``l2``: ``|q|^2 - |q - x|^2``, which ranks items as the distance
    does. Items are never normalised, because decoded items are not.

    Args:
        queries: float, ``(..., dim)``; computed in float32, under autocast too.
        items: float, ``(m, dim)``.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``.
    Returns:
        float32, ``(..., m)``, differentiable in both arguments.

    >>> scores(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [3.0, 3.0]]), "l2")  # 25 less 20, and less 1
    tensor([[ 5., 24.]])
    """
    with torch.autocast(queries.device.type, enabled=False):
        queries, items = queries.float(), items.float()
        if metric == "cosine":
            queries = F.normalize(queries, dim=-1)
        found = queries @ items.T
        return 2 * found - items.square().sum(1) if metric == "l2" else found

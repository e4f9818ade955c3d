"""Fusion of the rows of query and behaviour into one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.towers.product.self_attention import SelfAttention
from poeem.towers.skip_mlp import SkipMLP


class AttentionFusion(nn.Module):
    """Fusion by self-attention over ``[CLS; Q; H_1; ...]``; the row of the learned CLS vector is the result.

    Only that row is computed, because one layer does not use the others. At the start values and outputs are passed on
    unchanged, so the result is CLS plus a mean of the rows.

    Args:
        width: width of the rows.
        heads: attention heads; divides ``width``.
        dropout: share of elements that training drops.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.3.
    """

    def __init__(self, width: int, *, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.randn(width) * width**-0.5 / 4)
        self.attention = SelfAttention(width, heads=heads, dropout=dropout)
        with torch.no_grad():
            self.attention.qkv.weight[2 * width :].copy_(torch.eye(width))
            self.attention.out.weight.copy_(torch.eye(width))

    def forward(self, query: Tensor, *behaviours: Tensor) -> Tensor:
        """Fuse the rows of the query ``(B, G, d)`` and of each span ``(B, G, d)`` to ``(B, d)``."""
        rows = torch.cat([self.cls.expand(len(query), 1, -1), query, *behaviours], 1)
        return self.attention.first(rows, rows.new_ones(rows.shape[:2], dtype=torch.bool))


class MeanFusion(nn.Module):
    """Fusion by means and a perceptron, ``mlp([mean Q, mean H_1, ...])``, with which `AttentionFusion` is compared.

    Args:
        width: of the rows and of the result.
        spans: number of spans of behaviour.
        dropout: share of hidden units that training drops.
    """

    def __init__(self, width: int, spans: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.mlp = SkipMLP((1 + spans) * width, width, hidden=4 * width, dropout=dropout)

    def forward(self, query: Tensor, *behaviours: Tensor) -> Tensor:
        """Fuse the rows of the query ``(B, G, d)`` and of each span to ``(B, d)``. A span may have fewer rows than the
        query.
        """
        return self.mlp(torch.cat([rows.mean(1) for rows in (query, *behaviours)], 1))

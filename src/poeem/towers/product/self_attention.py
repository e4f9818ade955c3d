"""SelfAttention: multi-head self-attention with a residual, which starts as the identity."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention with a residual, over the filled rows: ``x + W_o [softmax(Q_h K_h^T / sqrt(d_h))
    V_h]_h``.

    ``W_o`` is zero at the start: the tower begins with the vectors themselves and learns the changes.

    Args:
        width: of the rows.
        heads: divides ``width``.
        dropout: share of the added elements that training drops.
    Raises:
        ValueError: ``heads`` does not divide ``width``.
    Source:
        Vaswani et al., "Attention is all you need", 2017, section 3.2.

    >>> x = torch.randn(2, 3, 8)
    >>> bool((SelfAttention(8, heads=2)(x, torch.ones(2, 3, dtype=torch.bool)) == x).all())
    True
    """

    def __init__(self, width: int, *, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(heads, width)
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, filled: Tensor, *, queries: int | None = None) -> Tensor:
        """Return the rows after attention.

        Args:
            x: float, ``(B, L, width)``.
            filled: bool, ``(B, L)``. No row attends to rows that are not filled, and their results have no meaning.
            queries: number of first rows whose results are computed; default all.
        Returns:
            ``(B, L or queries, width)``.
        """
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        q = q[:, :, :queries]
        logits = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1))
        # A finite mask: a row of -inf would be 0 / 0, and its gradient NaN although it is not used.
        weights = logits.masked_fill(~filled[:, None, None], torch.finfo(logits.dtype).min).softmax(-1)
        attended = torch.matmul(weights, v).transpose(1, 2).flatten(2)
        return x[:, :queries] + self.dropout(self.out(attended))


def check_heads(heads: int, width: int) -> None:
    """Raise ValueError if ``heads`` does not divide ``width``."""
    if heads < 1 or width % heads:
        fitting = ", ".join(str(h) for h in range(1, min(width, 16) + 1) if width % h == 0)
        raise ValueError(f"heads (={heads}) must divide the width (={width}); choose one of {fitting}")

"""SelfAttention: multi-head self-attention with a residual, which starts as the identity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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

    def forward(self, x: Tensor, filled: Tensor) -> Tensor:
        """Return the rows after attention.

        Args:
            x: float, ``(B, L, width)``.
            filled: bool, ``(B, L)``. No row attends to rows that are not filled, and their results have no meaning.
        Returns:
            ``(B, L, width)``.
        """
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = masked_attention(q, k, v, filled[:, None]).transpose(1, 2).flatten(2)
        return x + self.dropout(self.out(attended))

    def first(self, x: Tensor, filled: Tensor) -> Tensor:
        """Return the first row of :meth:`forward` only, ``(B, width)``, in a fraction of the time.

        Keys and values of the other rows are not computed: ``q^T (W_k x) = (W_k^T q)^T x``, and the mean of ``W_v x``
        is ``W_v`` times the mean of ``x``. The bias of the keys adds the same to every logit of a softmax.
        """
        to_q, to_k, to_v = (part.unflatten(0, (self.heads, -1)) for part in self.qkv.weight.chunk(3))
        bias_q, _, bias_v = self.qkv.bias.chunk(3)
        q = torch.einsum("bd,hed->bhe", x[:, 0], to_q) + bias_q.unflatten(0, (self.heads, -1))
        folded = torch.einsum("bhe,hed->bhd", q, to_k)[:, None]
        rows = x[:, None]
        means = masked_attention(folded, rows, rows, filled[:, None], scale=q.shape[2] ** -0.5)[:, 0]
        attended = torch.einsum("bhd,hed->bhe", means, to_v).flatten(1) + bias_v
        return x[:, 0] + self.dropout(self.out(attended))


def masked_attention(q: Tensor, k: Tensor, v: Tensor, filled: Tensor, *, scale: float | None = None) -> Tensor:
    """Compute ``softmax(scale q k^T) v`` over the filled rows of ``k`` and ``v``.

    Args:
        q: float, ``(B, H, Q, d)``.
        k, v: float, ``(B, H, L, d)``; rows that are not filled must be finite.
        filled: bool, ``(B, 1, L)``.
        scale: default ``1 / sqrt(d)``.
    Returns:
        ``(B, H, Q, d)``; where no row is filled, a mean that has no meaning.
    """
    # A finite mask: a row of -inf would be 0 / 0, and its gradient NaN although it is not used.
    mask = torch.zeros_like(filled, dtype=q.dtype).masked_fill(~filled, torch.finfo(q.dtype).min / 2)[..., None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)


def check_heads(heads: int, width: int) -> None:
    """Raise ValueError if ``heads`` does not divide ``width``."""
    if heads < 1 or width % heads:
        fitting = ", ".join(str(h) for h in range(1, min(width, 16) + 1) if width % h == 0)
        raise ValueError(f"heads (={heads}) must divide the width (={width}); choose one of {fitting}")

"""SequenceTower: a causal transformer over a user's items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.towers.item_table import PoolingTable
from poeem.towers.protocol import check_history


class SequenceTower(nn.Module):
    """A query tower: a causal transformer, whose vector at each item predicts the next item.

    Attention knows positions only as distances: every head has a learned bias for each distance. So padding, the length
    of ``history`` and the start of a window do not change a vector, and each position of ``every_position`` equals the
    ``forward`` of the history up to there. An empty place attends only to itself; it has the learned vector of a
    history without items.

    Args:
        item_table: ``nn.Embedding`` or ``PoolingTable``; usually the item tower's own.
        dim: width of the query vectors.
        history_length: number of places; older items are ignored.
        blocks: number of blocks of attention and perceptron, each normalised before (pre-norm).
        heads: attention heads; divides the table's width.
        hidden: width of the perceptrons, by default twice the table's.
        dropout: share of units dropped in training, after the table and after each half of a block.
    Raises:
        ValueError: a size below 1, or ``heads`` does not divide the width.
    Source:
        Kang, McAuley, "Self-attentive sequential recommendation", ICDM 2018; the bias by distance after Raffel et al.,
        "Exploring the limits of transfer learning", JMLR 2020, section 2.1.

    >>> tower = SequenceTower(nn.Embedding(10, 8), 8, history_length=5).eval()
    >>> history = torch.tensor([[-1, 3, 4], [-1, -1, -1]])
    >>> tower(history).shape, tower.every_position(history).shape
    (torch.Size([2, 8]), torch.Size([2, 3, 8]))
    """

    def __init__(
        self,
        item_table: nn.Embedding | PoolingTable,
        dim: int,
        *,
        history_length: int = 100,
        blocks: int = 2,
        heads: int = 2,
        hidden: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        width = item_table.embedding_dim
        for name, value in (("dim", dim), ("history_length", history_length), ("blocks", blocks), ("heads", heads)):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        if width % heads:
            fitting = ", ".join(str(h) for h in range(1, width + 1) if width % h == 0)
            raise ValueError(f"heads (={heads}) must divide the table's width (={width}); choose one of {fitting}")
        self.item_table, self.dim, self.history_length = item_table, dim, history_length
        self.empty = nn.Parameter(torch.randn(width) * width**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            _Block(width, heads, hidden or 2 * width, history_length, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, history: Tensor) -> Tensor:
        """Return query vectors of histories: the vector after the last item.

        Args:
            history: int64 item numbers, ``(B, L)``, oldest first, right-aligned, -1 for an empty place.
        Returns:
            ``(B, dim)``.
        """
        return self.every_position(history[:, -self.history_length :])[:, -1]

    def every_position(self, history: Tensor) -> Tensor:
        """Return the vector after each item, computed from the items up to it.

        Args:
            history: int64 item numbers, ``(B, L)``, oldest first, right-aligned, -1 for an empty place. ``L`` at most
                ``history_length``.
        Returns:
            ``(B, L, dim)``.
        Raises:
            ValueError: wrong dtype or shape, a number outside the catalogue, or ``L`` above ``history_length``.
        """
        check_history(history, self.item_table.num_embeddings)
        length = history.shape[1]
        if length > self.history_length:
            raise ValueError(
                f"history has {length} places, history_length is {self.history_length}; pass the last ones"
            )
        filled = (history >= 0)[..., None]
        x = torch.where(filled, self.item_table(history.clamp(min=0)), self.empty)
        # About unit variance per element, the scale of what a block adds.
        x = self.dropout(x * x.shape[-1] ** 0.5)
        places = torch.arange(length, device=history.device)
        distance = places[:, None] - places
        unseen = (distance < 0) | (~filled[:, None, :, 0] & (distance > 0))
        for block in self.blocks:
            x = block(x, distance.clamp(min=0), unseen[:, None])
        return self.head(self.norm(x))


class _Block(nn.Module):
    """Attention, then a perceptron, each on the normalised input and added to it."""

    def __init__(self, width: int, heads: int, hidden: int, history_length: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.by_distance = nn.Parameter(torch.zeros(heads, history_length))
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, distance: Tensor, unseen: Tensor) -> Tensor:
        """Map ``(B, L, width)`` and ``(L, L)`` distances, ``(B, 1, L, L)`` masked positions, to ``(B, L, width)``."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm_attention(x)).chunk(3, dim=-1)
        )
        attended = _attention(q, k, v, self.by_distance[:, distance], unseen)
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.mlp(self.norm_mlp(x)))


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, unseen: Tensor) -> Tensor:
    """``softmax(q k^T / sqrt(d) + bias) v`` over ``(B, heads, L, d)``, with ``bias (heads, L, L)`` for the whole batch.

    ``F.scaled_dot_product_attention`` needs the bias once per row of the batch, and takes its slow path when the bias
    has a gradient: 1.4 times the time of this, on a CPU.
    """
    logits = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1)).add_(bias)
    with torch.no_grad():  # a masked logit has weight 0 and so gradient 0: nothing to record
        logits.masked_fill_(unseen, torch.finfo(logits.dtype).min)
    return torch.matmul(logits.softmax(-1), v)

"""HistoryTower: a weighted mean of the last items and the last item."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.towers.item_table import PoolingTable, pool
from poeem.towers.protocol import check_history
from poeem.towers.skip_mlp import SkipMLP


class HistoryTower(nn.Module):
    """A query tower: a weighted mean of a user's items, joined with the last item, through a perceptron.

    ``mlp([sum_l w_l e_l, e_last])``, where ``w`` is a softmax of one learned weight per place over the filled places.
    Places count from the most recent item, so padding and the length of ``history`` do not matter. A history without
    items has a learned vector.

    Args:
        item_table: ``nn.Embedding`` or ``PoolingTable``; usually the item tower's own.
        dim: width of the query vectors.
        history_length: number of places; older items are ignored.
        hidden: width of the perceptron's hidden layer, by default ``4 * dim``.
        dropout: share of hidden units dropped in training.
    Raises:
        ValueError: ``dim`` or ``history_length`` below 1.

    >>> tower = HistoryTower(nn.Embedding(10, 8), 8, history_length=5)
    >>> q = tower(torch.tensor([[-1, 3, 4], [-1, -1, -1]]))
    >>> q.shape, bool((q[0] == tower(torch.tensor([[3, 4]]))).all())
    (torch.Size([2, 8]), True)
    """

    def __init__(
        self,
        item_table: nn.Embedding | PoolingTable,
        dim: int,
        *,
        history_length: int = 20,
        hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("history_length", history_length)):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        width = item_table.embedding_dim
        self.item_table, self.dim, self.history_length = item_table, dim, history_length
        # From the most recent place; a new tower gives it e times the weight of the oldest.
        self.recency = nn.Parameter(torch.linspace(1, 0, history_length))
        self.empty = nn.Parameter(torch.randn(width) * width**-0.5)
        self.mlp = SkipMLP(2 * width, dim, hidden=hidden or 4 * dim, dropout=dropout)

    def forward(self, history: Tensor) -> Tensor:
        """Return query vectors of histories.

        Args:
            history: int64 item numbers, ``(B, L)``, oldest first, right-aligned, -1 for an empty place. Any ``L``.
        Returns:
            ``(B, dim)``.
        Raises:
            ValueError: wrong dtype or shape, or a number outside the catalogue.
        """
        check_history(history, self.item_table.num_embeddings)
        history = history[:, -self.history_length :]
        filled = history >= 0
        numbers = history.clamp(min=0)
        recency = self.recency[: history.shape[1]].flip(0).expand(history.shape)
        # A finite mask: with -inf, a row without items would be 0 / 0, and its gradient NaN although it is not used.
        weights = recency.masked_fill(~filled, torch.finfo(recency.dtype).min).softmax(1)
        known = filled[:, -1:]
        pooled = torch.where(known, pool(self.item_table, numbers, weights), self.empty)
        last = torch.where(known, self.item_table(numbers[:, -1]), self.empty)
        return self.mlp(torch.cat([pooled, last], 1))

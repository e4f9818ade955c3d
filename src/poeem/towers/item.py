"""ItemTower: from item numbers to item vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.towers.item_table import PoolingTable
from poeem.towers.protocol import check_numbers
from poeem.towers.skip_mlp import SkipMLP


class ItemTower(nn.Module):
    """An item tower: the row of a table, then a two-layer perceptron with a skip connection.

    Args:
        table: ``nn.Embedding`` or :class:`~poeem.towers.item_table.PoolingTable`; may be shared with the query tower.
        dim: width of the item vectors.
        hidden: width between the layers, by default ``4 * dim``.
        dropout: share of hidden units dropped in training.

    >>> ItemTower(nn.Embedding(10, 8), 8)(torch.tensor([0, 9])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self, table: nn.Embedding | PoolingTable, dim: int, *, hidden: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim (={dim}) must be at least 1")
        self.table, self.dim = table, dim
        self.mlp = SkipMLP(table.embedding_dim, dim, hidden=hidden or 4 * dim, dropout=dropout)

    def forward(self, items: Tensor) -> Tensor:
        """Return the vectors of items. They are not scaled to unit length.

        Args:
            items: int64, ``(n,)``.
        Returns:
            ``(n, dim)``.
        Raises:
            ValueError: wrong dtype or shape, or a number outside the catalogue.
        """
        if items.dtype != torch.int64 or items.dim() != 1:
            raise ValueError(f"items must be int64, (n,), not {items.dtype}, {tuple(items.shape)}")
        check_numbers("items", items, self.table.num_embeddings)
        return self.mlp(self.table(items))

"""ProductTower: product vectors from id, attributes and title words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.towers.item_table import ItemTable
from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.protocol import check_numbers


class ProductTower(nn.Module):
    """An item tower for products: ``e_i = id_i + attributes_i + tanh(W mean of the title's words)``.

    A product that was never trained keeps its random id vector, but attributes and title place it near similar ones.

    Args:
        table: ids and attributes.
        words: table of the words; usually shared with the query's.
        titles: int64, ``(n_items, L)``, numbers of the words, -1 for an empty place.
    Raises:
        ValueError: the widths or the numbers of items differ.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.3: id and title; a
        transformer over the title was no better than the mean.

    >>> table, words = ItemTable(3, 4), MeanEmbedding(5, 4)
    >>> tower = ProductTower(table, words, torch.tensor([[0, 4], [2, -1], [-1, -1]]))
    >>> tower(torch.tensor([2, 0])).shape, tower.of_lists(torch.tensor([[-1, 2], [0, 1]])).shape
    (torch.Size([2, 4]), torch.Size([2, 2, 4]))
    """

    titles: Tensor

    def __init__(self, table: ItemTable, words: MeanEmbedding, titles: Tensor) -> None:
        super().__init__()
        if table.embedding_dim != words.width:
            raise ValueError(f"words (width={words.width}) must have the width of the table (={table.embedding_dim})")
        if titles.dtype != torch.int64 or titles.dim() != 2 or len(titles) != table.num_embeddings:
            raise ValueError(
                f"titles must be int64, (n_items={table.num_embeddings}, L), not {titles.dtype}, {tuple(titles.shape)}"
            )
        self.table, self.words, self.dim = table, words, words.width
        self.title = nn.Linear(words.width, words.width)
        self.register_buffer("titles", titles)
        with torch.no_grad():
            # Query words and title words meet at the first step already.
            self.title.weight.copy_(torch.eye(words.width))
            self.title.bias.zero_()

    def forward(self, items: Tensor) -> Tensor:
        """Return the vectors of products: int64 ``(n,)`` to ``(n, dim)``.

        Raises:
            ValueError: a number outside the catalogue.
        """
        check_numbers("items", items, self.table.num_embeddings)
        return self.table(items) + torch.tanh(self.title(self.words(self.titles[items])))

    def of_lists(self, *lists: Tensor) -> Tensor:
        """Return the vectors of item lists, each int64 ``(B, L)`` with -1 for an empty place, joined along ``L``: ``(B,
        ΣL, dim)``.

        Each distinct item is computed once. Empty places get the vector of any item.
        """
        numbers = torch.cat(lists, 1).clamp(min=0)
        distinct, place = numbers.unique(return_inverse=True)
        return nn.functional.embedding(place, self(distinct))

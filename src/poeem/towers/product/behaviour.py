"""A user's behaviour in three spans, each attended by the rows of the query.

Lists of items are int64, ``(B, L)``, oldest first, right-aligned, -1 empty. Item vectors come from the caller, so that
every item of a batch is computed once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.towers.item_table import ItemTable
from poeem.towers.product.query_attention import QUERY_SCALE, QueryAttention
from poeem.towers.product.self_attention import SelfAttention


class RealTimeBehaviour(nn.Module):
    """The latest events of a user: an LSTM with a residual reads them in order, then self-attention, then the query
    attends.

    Args:
        width: of the item vectors.
        layers: of the LSTM.
        heads: of the self-attention.
        dropout: between the layers of the LSTM, and of the self-attention.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.2.
    """

    def __init__(self, width: int, *, layers: int = 2, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.attention = SelfAttention(width, heads=heads, dropout=dropout)
        self.by_query = QueryAttention()

    def forward(self, query: Tensor, vectors: Tensor, filled: Tensor) -> Tensor:
        """Attend to the events by the query.

        Args:
            query: float, ``(B, G, d)``: rows of the query.
            vectors: float, ``(B, L, d)``: item vectors.
            filled: bool, ``(B, L)``: False for an empty place.
        Returns:
            ``(B, G, d)``.
        """
        # Filled places first: the state of the LSTM at an event must not depend on the padding before it. What
        # follows does not depend on the order of the rows.
        order = (~filled).to(torch.int8).argsort(dim=1, stable=True)
        vectors, filled = vectors.gather(1, order[..., None].expand_as(vectors)), filled.gather(1, order)
        read = vectors + self.lstm(vectors)[0]
        return self.by_query(query, self.attention(read, filled), filled)


class ShortTermBehaviour(nn.Module):
    """The events before the latest: self-attention, then the query attends. It has the arguments of
    ``RealTimeBehaviour``.
    """

    def __init__(self, width: int, *, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads=heads, dropout=dropout)
        self.by_query = QueryAttention()

    def forward(self, query: Tensor, vectors: Tensor, filled: Tensor) -> Tensor:
        """Attend to the events by the query.

        Args:
            query: float, ``(B, G, d)``: rows of the query.
            vectors: float, ``(B, L, d)``: item vectors.
            filled: bool, ``(B, L)``: False for an empty place.
        Returns:
            ``(B, G, d)``.
        """
        return self.by_query(query, self.attention(vectors, filled), filled)


class LongTermBehaviour(nn.Module):
    """The oldest events: one list of the items and one of each attribute (category, brand, shop).

    Each list is reduced to one mean per kind of event (click, buy, collect). The query attends to these means and to a
    zero row. The results of the lists are added.

    Args:
        table: ids and attributes of the items; every feature of it is a list of its own.
        n_kinds: number of kinds of events.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.2, with the lists item,
        shop, leaf category and brand.
    """

    def __init__(self, table: ItemTable, n_kinds: int) -> None:
        super().__init__()
        if n_kinds < 1:
            raise ValueError(f"n_kinds (={n_kinds}) must be at least 1: the kinds of events, such as click and buy")
        self.table, self.n_kinds = table, n_kinds
        self.log_scale = nn.Parameter(torch.full((1 + len(table.features),), QUERY_SCALE).log())

    def forward(self, query: Tensor, items: Tensor, kinds: Tensor) -> Tensor:
        """Attend to the lists by the query.

        Args:
            query: float, ``(B, G, d)``: rows of the query.
            items: int64, ``(B, L)``: item numbers, -1 for an empty place.
            kinds: int64, ``(B, L)``: kinds of the events; events of kinds outside ``[0, n_kinds)`` are ignored.
        Returns:
            ``(B, G, d)``.
        """
        numbers = items.clamp(min=0)
        of_kind = [(kinds == kind) & (items >= 0) for kind in range(self.n_kinds)]
        counts = torch.stack([places.sum(1) for places in of_kind], 1)
        weights = [places / counts[:, i : i + 1].clamp(min=1) for i, places in enumerate(of_kind)]
        # (B, kinds, lists, d): the lists are attended one by one, but in one product.
        means = torch.stack([torch.stack(self.table.pools(numbers, weight), 1) for weight in weights], 1)
        logits = torch.einsum("bgd,bkld->bglk", query, means) * self.log_scale.exp()[:, None]
        logits = logits.masked_fill((counts == 0)[:, None, None], torch.finfo(logits.dtype).min)
        attended = F.pad(logits, (1, 0)).softmax(3)[..., 1:]
        return torch.einsum("bglk,bkld->bgd", attended, means)

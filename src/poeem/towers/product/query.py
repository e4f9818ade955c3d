"""ProductQueryTower: the vector of a query that a user types, from the query and the user's earlier events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from poeem.towers.item_table import ItemTable
from poeem.towers.product.behaviour import LongTermBehaviour, RealTimeBehaviour, ShortTermBehaviour
from poeem.towers.product.fusion import AttentionFusion, MeanFusion
from poeem.towers.product.item import ProductTower
from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.product.query_attention import QueryAttention
from poeem.towers.product.semantic_unit import MultiGranularUnit, QueryTokens, WordUnit
from poeem.towers.product.visits import Visits
from poeem.towers.protocol import check_history
from poeem.towers.skip_mlp import SkipMLP
from poeem.towers.two_tower import TwoTower


class Behaviour(NamedTuple):
    """A user's events before a visit, in three spans: int64 ``(V, L)``, oldest first, right-aligned, -1 for an empty
    place.
    """

    recent: Tensor  # the latest items
    short: Tensor  # the items before these
    long: Tensor  # the items before those
    long_kinds: Tensor  # kind of event of each of `long`


class ProductQueryTower(nn.Module):
    """A query tower for product search: the query's rows attend to three spans of behaviour, and a fusion joins them.

    With ``again``, the last row of the query also attends to every item of the three spans, and the result is
    ``mlp([last row of Q, fusion, found])``. ``found`` sums the id vectors alone, which tell an item from others like
    it. The paper's tower ends with the fusion. There the query is one row of 25, and an item that was chosen again and
    again is one of hundreds in a mean.

    Args:
        unit: makes the rows of the query from ``QueryTokens``.
        items: gives the vectors of the products of the behaviour; usually the item tower.
        n_kinds: number of kinds of events.
        attention: whether LSTM, self-attention and query attention read the behaviours, as in MGDSPR. If false, each
            span is the mean of its items, and a perceptron joins the spans; MGDSPR is compared with that.
        again: see above; False: the paper's tower. It changes nothing without ``attention``.
        heads: heads of every self-attention.
        dropout: share of elements that training drops.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.
    """

    def __init__(
        self,
        unit: WordUnit | MultiGranularUnit,
        items: ProductTower,
        n_kinds: int,
        *,
        attention: bool = True,
        again: bool = True,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.unit, self.items, self.attention, self.dim = unit, items, attention, items.dim
        if attention:
            self.recent = RealTimeBehaviour(self.dim, heads=heads, dropout=dropout)
            self.short = ShortTermBehaviour(self.dim, heads=heads, dropout=dropout)
            self.long = LongTermBehaviour(items.table, n_kinds)
            self.fusion = AttentionFusion(self.dim, heads=heads, dropout=dropout)
            self.again = QueryAttention() if again else None
            if again:
                self.head = SkipMLP(3 * self.dim, self.dim, hidden=4 * self.dim, dropout=dropout)
        else:
            self.fusion = MeanFusion(self.dim, spans=3, dropout=dropout)

    def forward(self, query: QueryTokens, behaviour: Behaviour, visit: Tensor | None = None) -> Tensor:
        """Return the query vectors, ``(B, dim)``.

        Args:
            query: tokens of the queries and of past queries.
            behaviour: of the visits. Queries of one user at one time are one visit, whose behaviour is read once.
            visit: int64, ``(B,)``: the visit of each query; default: each query is a visit of its own.
        Raises:
            ValueError: an item number outside the catalogue.
        """
        if visit is None:
            visit = torch.arange(len(query.words), device=query.words.device)
        rows = self.unit(query, visit)
        spans = behaviour[:3]
        for span in spans:
            check_history(span, self.items.table.num_embeddings)
        every = self.items.of_lists(*spans)
        vectors, filled = every.split([span.shape[1] for span in spans], 1), [span >= 0 for span in spans]
        if not self.attention:
            means = [_mean(part, places)[:, None] for part, places in zip(vectors, filled)]
            return self.fusion(rows, *(mean[visit] for mean in means))
        visits = Visits(visit, len(behaviour.recent))
        asked = visits.together(rows)
        read = [
            self.recent(asked, vectors[0], filled[0]),
            self.short(asked, vectors[1], filled[1]),
            self.long(asked, behaviour.long, behaviour.long_kinds),
        ]
        fused = self.fusion(rows, *(visits.apart(part, rows.shape[1]) for part in read))
        if self.again is None:
            return fused
        last = visits.together(rows[:, -1:])
        ids = self.items.table.ids(torch.cat(spans, 1).clamp(min=0))
        found = visits.apart(self.again(last, every, torch.cat(filled, 1), ids), 1)
        return self.head(torch.cat([rows[:, -1], fused, found[:, 0]], 1))


def _mean(vectors: Tensor, filled: Tensor) -> Tensor:
    share = filled / filled.sum(1, keepdim=True).clamp(min=1)
    return (share[:, None] @ vectors)[:, 0]


class TokenCounts(NamedTuple):
    """Sizes of the vocabularies of a query."""

    words: int
    characters: int
    bigrams: int


@dataclass(frozen=True)
class QueryParts:
    """The parts of a query tower.

    Args:
        granular: the multi-granular semantic unit; False: word means.
        attention, again, heads, dropout: see :class:`ProductQueryTower`.
    """

    granular: bool = True
    attention: bool = True
    again: bool = True
    heads: int = 4
    dropout: float = 0.0


def product_towers(
    titles: Tensor,
    tokens: TokenCounts,
    dim: int,
    *,
    attributes: Mapping[str, Tensor] | None = None,
    n_kinds: int = 1,
    parts: QueryParts = QueryParts(),
    seed: int = 0,
) -> TwoTower:
    """Make the query tower and the item tower of product search, which share the vectors of words and items.

    Args:
        titles: int64, ``(n_items, L)``: numbers of title words, -1 empty.
        tokens: sizes of the vocabularies.
        dim: of all vectors.
        attributes: int64 ``(n_items,)`` by name, -1 for a missing value.
        n_kinds: kinds of events.
        parts: of the query tower.
        seed: of the initial weights; the global generator is left as it was.
    Returns:
        the two towers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        words = MeanEmbedding(tokens.words, dim)
        items = ProductTower(ItemTable(len(titles), dim, side=attributes), words, titles)
        shape = {"heads": parts.heads, "dropout": parts.dropout}
        unit = (
            MultiGranularUnit(words, tokens.characters, tokens.bigrams, **shape) if parts.granular else WordUnit(words)
        )
        query = ProductQueryTower(unit, items, n_kinds, attention=parts.attention, again=parts.again, **shape)
        return TwoTower(query, items, dim)

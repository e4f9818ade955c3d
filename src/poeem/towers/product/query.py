"""ProductQueryTower: the vector of a query that a user types, from the query and the user's earlier events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from poeem.towers.item_table import ItemTable
from poeem.towers.product.behaviour import LongTermBehaviour, RealTimeBehaviour, ShortTermBehaviour
from poeem.towers.product.fusion import AttentionFusion, MeanFusion
from poeem.towers.product.item import ProductTower
from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.product.semantic_unit import MultiGranularUnit, QueryTokens, WordUnit
from poeem.towers.protocol import check_history
from poeem.towers.two_tower import TwoTower


class Behaviour(NamedTuple):
    """A user's events before a query, in three spans: int64 ``(B, L)``, oldest first, right-aligned, -1 for an empty
    place.
    """

    recent: Tensor  # the latest items
    short: Tensor  # the items before these
    long: Tensor  # the items before those
    long_kinds: Tensor  # kind of event of each of `long`


class ProductQueryTower(nn.Module):
    """A query tower for product search: the query's rows attend to three spans of behaviour, and a fusion joins them.

    Args:
        unit: makes the rows of the query from ``QueryTokens``.
        items: gives the vectors of the products of the behaviour; usually the item tower.
        n_kinds: number of kinds of events.
        attention: whether LSTM, self-attention and query attention read the behaviours, as in MGDSPR. If false, each
            span is the mean of its items, and a perceptron joins the spans; MGDSPR is compared with that.
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
        else:
            self.fusion = MeanFusion(self.dim, spans=3, dropout=dropout)

    def forward(self, query: QueryTokens, behaviour: Behaviour) -> Tensor:
        """Return the query vectors, ``(B, dim)``.

        Raises:
            ValueError: an item number outside the catalogue.
        """
        rows = self.unit(query)
        spans = behaviour[:3]
        for span in spans:
            check_history(span, self.items.table.num_embeddings)
        if not self.attention:
            vectors = self.items.of_lists(*spans).split([span.shape[1] for span in spans], 1)
            means = [_mean(part, span >= 0) for part, span in zip(vectors, spans)]
            return self.fusion(rows, *(mean[:, None] for mean in means))
        recent, short = self.items.of_lists(*spans[:2]).split([span.shape[1] for span in spans[:2]], 1)
        return self.fusion(
            rows,
            self.recent(rows, recent, behaviour.recent >= 0),
            self.short(rows, short, behaviour.short >= 0),
            self.long(rows, behaviour.long, behaviour.long_kinds),
        )


def _mean(vectors: Tensor, filled: Tensor) -> Tensor:
    share = filled / filled.sum(1, keepdim=True).clamp(min=1)
    return (share[:, None] @ vectors)[:, 0]


class TokenCounts(NamedTuple):
    """Sizes of the vocabularies of a query."""

    words: int
    characters: int
    bigrams: int


def product_towers(
    titles: Tensor,
    tokens: TokenCounts,
    dim: int,
    *,
    attributes: Mapping[str, Tensor] | None = None,
    n_kinds: int = 1,
    granular: bool = True,
    attention: bool = True,
    heads: int = 4,
    dropout: float = 0.0,
    seed: int = 0,
) -> TwoTower:
    """Make the query tower and the item tower of product search, which share the vectors of words and items.

    Args:
        titles: int64, ``(n_items, L)``: numbers of title words, -1 empty.
        tokens: sizes of the vocabularies.
        dim: of all vectors.
        attributes: int64 ``(n_items,)`` by name, -1 for a missing value.
        n_kinds: kinds of events.
        granular: the multi-granular semantic unit; False: word means.
        attention, heads, dropout: see :class:`ProductQueryTower`.
        seed: of the initial weights; the global generator is left as it was.
    Returns:
        the two towers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        words = MeanEmbedding(tokens.words, dim)
        items = ProductTower(ItemTable(len(titles), dim, side=attributes), words, titles)
        unit = (
            MultiGranularUnit(words, tokens.characters, tokens.bigrams, heads=heads, dropout=dropout)
            if granular
            else WordUnit(words)
        )
        query = ProductQueryTower(unit, items, n_kinds, attention=attention, heads=heads, dropout=dropout)
        return TwoTower(query, items, dim)

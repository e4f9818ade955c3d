"""The rows of a typed query: word means alone, or the multi-granular semantic unit of MGDSPR."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.product.query_attention import QueryAttention
from poeem.towers.product.self_attention import SelfAttention


class QueryTokens(NamedTuple):
    """A batch of queries as token numbers, int64, -1 for an empty place."""

    characters: Tensor  # (B, C)
    bigrams: Tensor  # (B, C - 1), pairs of characters that follow one another within a word
    words: Tensor  # (B, W)
    past: Tensor  # (V, P, W): the words of past queries of the user of each visit, in any order


class WordUnit(nn.Module):
    """The mean of the query's words, ``(B, 1, width)``. The multi-granular unit is compared with it.

    Args:
        words: table of the words, usually that of the items' titles.
    """

    rows = 1

    def __init__(self, words: MeanEmbedding) -> None:
        super().__init__()
        self.words = words

    def forward(self, query: QueryTokens, visit: Tensor | None = None) -> Tensor:
        """Return the row of each query, ``(B, 1, width)``; it does not depend on the ``visit``."""
        return self.words(query.words)[:, None]


class MultiGranularUnit(nn.Module):
    """Six rows for a query: characters, bigrams, words, words in context, past queries, and the sum of these five.

    The rows, in this order, ``(B, 6, width)``:

    1. mean of the characters; 2. mean of the bigrams; 3. mean of the words: all three without order,
    4. mean of the words after a block of self-attention,
    5. the user's past queries (means of words), attended by row 3, with a zero row,
    6. the sum of the five.

    Characters and bigrams read what the words do not know: misspellings, new words, inflections.

    Args:
        words: table of the words, usually that of the items' titles.
        n_characters, n_bigrams: sizes of the two other vocabularies.
        heads: of the self-attention; divides the width.
        dropout: of the self-attention.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.1.
    """

    rows = 6

    def __init__(
        self, words: MeanEmbedding, n_characters: int, n_bigrams: int, *, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.words = words
        self.characters = MeanEmbedding(n_characters, words.width)
        self.bigrams = MeanEmbedding(n_bigrams, words.width)
        self.in_context = SelfAttention(words.width, heads=heads, dropout=dropout)
        self.past = QueryAttention()

    def forward(self, query: QueryTokens, visit: Tensor | None = None) -> Tensor:
        """Return the six rows of each query, ``(B, 6, width)``.

        Args:
            query: tokens.
            visit: int64, ``(B,)``: row of ``past`` of each query; default: row i belongs to query i.
        """
        words = self.words(query.words)
        known = query.words >= 0
        in_context = self.in_context(self.words.each(query.words), known)
        share = known / known.sum(1, keepdim=True).clamp(min=1)
        visits, places, _ = query.past.shape
        past = self.words(query.past.flatten(0, 1)).view(visits, places, -1)
        asked = (query.past >= 0).any(2)
        if visit is not None:
            past, asked = past[visit], asked[visit]
        rows = torch.stack(
            [
                self.characters(query.characters),
                self.bigrams(query.bigrams),
                words,
                (share[:, None] @ in_context)[:, 0],
                self.past(words[:, None], past, asked)[:, 0],
            ],
            dim=1,
        )
        return torch.cat([rows, rows.sum(1, keepdim=True)], 1)

"""Rankings without a model, to compare product search with: BM25 over titles, and popularity within a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from poeem.data.vocabulary import words_of


class Bm25Titles:
    """A ranking by BM25 over the words of titles (package ``bm25s``, Lucene's variant, its default k1 and b).

    Args:
        titles: titles of the items.
        popularity: float, ``(n_items,)``; it orders items of equal score. Default: they stay tied.
    Raises:
        ValueError: the package ``bm25s`` is not installed.
    Source:
        Lù, "BM25S: orders of magnitude faster lexical search via eager sparse scoring", 2024.
    """

    def __init__(self, titles: Sequence[str], popularity: np.ndarray | None = None) -> None:
        try:
            import bm25s
        except ImportError:
            raise ValueError("BM25 needs the package bm25s; run: pip install 'poeem-torch[products]'") from None
        self._index: Any = bm25s.BM25()
        self._index.index([words_of(title) for title in titles], show_progress=False)
        self._known = set(self._index.vocab_dict)
        self._bonus = np.zeros(len(titles))
        if popularity is not None:
            # Below any difference of two BM25 scores that matters.
            self._bonus = 1e-4 * popularity / max(1, popularity.max())

    def scores(self, queries: Sequence[str]) -> np.ndarray:
        """Score all items for each query: float64 ``(b, n_items)``."""
        scores = np.zeros((len(queries), len(self._bonus)))
        for row, query in zip(scores, queries):
            words = [word for word in words_of(query) if word in self._known]
            if words:
                row += self._index.get_scores(words)
        return scores + self._bonus


def popularity_in_category(counts: np.ndarray, categories: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Score items by their popularity within the category of the item that the user chose. Other items have negative
    scores, also in the order of their popularity.

    No real system knows this category, so this is a strong baseline.

    Args:
        counts: training events of every item, ``(n_items,)``.
        categories: of the items, ``(n_items,)``.
        wanted: category of each query, ``(b,)``.
    Returns:
        float64, ``(b, n_items)``.

    >>> popularity_in_category(np.array([5, 9, 7]), np.array([0, 1, 0]), np.array([0]))
    array([[ 5., -1.,  7.]])
    """
    outside = counts - float(counts.max()) - 1
    return np.where(categories == wanted[:, None], counts.astype(np.float64), outside)

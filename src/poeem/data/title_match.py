"""TitleMatch: finds the items whose titles have the words of a query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from poeem.data.vocabulary import words_of


class TitleMatch:
    """An inverted index over the words of titles: a query matches the items that have all of its known words.

    Words that no title has, such as misspelt ones, are left out of the query. A query without a known word matches
    every item, so that it loses no results.

    Args:
        titles: titles of the items. Words are those of `words_of`.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 5.2: a boolean match over
        title terms drops results of embedding-based search that are not relevant.

    >>> match = TitleMatch(["oat milk", "whole milk", "bread"])
    >>> [match.rows(query).tolist() for query in ("milk", "Milk, oat", "mlik", "oat bread")]
    [[True, True, False], [True, False, False], [True, True, True], [False, False, False]]
    """

    def __init__(self, titles: Sequence[str]) -> None:
        found: dict[str, list[int]] = defaultdict(list)
        for row, title in enumerate(titles):
            for word in set(words_of(title)):
                found[word].append(row)
        self._rows = {word: np.array(rows) for word, rows in found.items()}
        self._n_items = len(titles)

    def rows(self, query: str) -> np.ndarray:
        """Return which items match: bool, ``(n_items,)``."""
        counts = np.zeros(self._n_items, dtype=np.int64)
        known = [word for word in dict.fromkeys(words_of(query)) if word in self._rows]
        for word in known:
            counts[self._rows[word]] += 1
        return counts == len(known)

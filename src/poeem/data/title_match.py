"""TitleMatch: finds the items whose titles have the words of a query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from poeem.data.vocabulary import words_of

# Shorter words have too many words at one edit.
CORRECTED = 4


class TitleMatch:
    """An inverted index over the words of titles: a query matches the items that have all of its known words.

    A word that no title has stands for the words of titles at one edit from it, so that slips of the keyboard match
    too: a letter is missing, too many, another one, or two have changed places. A word without any is left out of the
    query. A query without a known word matches every item, so that it loses no results.

    Args:
        titles: titles of the items. Words are those of `words_of`.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 5.2: a boolean match over
        title terms drops results of embedding-based search that are not relevant.

    >>> match = TitleMatch(["oat milk", "whole milk", "bread"])
    >>> [match.rows(query).tolist() for query in ("milk", "Milk, oat", "oat bread")]
    [[True, True, False], [True, False, False], [False, False, False]]
    >>> [match.rows(query).tolist() for query in ("mlik", "tofu")]
    [[True, True, False], [True, True, True]]
    """

    def __init__(self, titles: Sequence[str]) -> None:
        found: dict[str, list[int]] = defaultdict(list)
        for row, title in enumerate(titles):
            for word in set(words_of(title)):
                found[word].append(row)
        self._rows = {word: np.array(rows) for word, rows in found.items()}
        self._letters = "".join(sorted({letter for word in found for letter in word}))
        self._n_items = len(titles)

    def rows(self, query: str) -> np.ndarray:
        """Return which items match: bool, ``(n_items,)``."""
        matching = np.ones(self._n_items, dtype=bool)
        for word in dict.fromkeys(words_of(query)):
            places = [self._rows[meant] for meant in self._meant(word)]
            if places:
                has_word = np.zeros(self._n_items, dtype=bool)
                has_word[np.concatenate(places)] = True
                matching &= has_word
        return matching

    def _meant(self, word: str) -> list[str]:
        """The words of titles that a word stands for."""
        if word in self._rows:
            return [word]
        return [] if len(word) < CORRECTED else [near for near in one_edit(word, self._letters) if near in self._rows]


def one_edit(word: str, letters: str) -> set[str]:
    """Return the words that differ from a word by one letter that is missing, added or changed, or by two neighbouring
    letters that have changed places.

    Args:
        word: the word.
        letters: those that may be added.
    Source:
        Norvig, "How to write a spelling corrector", 2007.

    >>> sorted(one_edit("at", "o"))
    ['a', 'ao', 'aot', 'ato', 'oat', 'ot', 't', 'ta']
    """
    halves = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    missing = {left + right[1:] for left, right in halves if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    changed = {left + letter + right[1:] for left, right in halves if right for letter in letters}
    added = {left + letter + right for left, right in halves for letter in letters}
    return (missing | swapped | changed | added) - {word}

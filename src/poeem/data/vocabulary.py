"""Vocabulary: words, characters and pairs of characters of short texts, such as queries and titles."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

# Letters and digits of any script; in scripts without spaces a run of letters is one word.
_WORD = re.compile(r"[^\W_]+")


def normalised(text: str) -> str:
    """Return a text casefolded (``ß`` becomes ``ss``), with compatible forms of characters unified (NFKC) and single
    spaces.

    >>> normalised(" Ｍilk  CAFÉ ")
    'milk café'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_of(text: str) -> list[str]:
    """Return the words of a `normalised` text: runs of letters and digits of any script, in order, repeats included.

    >>> words_of("ICE CREAM/MILK & Sherbet, 56 oz")
    ['ice', 'cream', 'milk', 'sherbet', '56', 'oz']
    """
    return _WORD.findall(normalised(text))


class Tokens(NamedTuple):
    """Token numbers of ``n`` texts, int64, -1 for an empty place."""

    characters: np.ndarray  # (n, C)
    bigrams: np.ndarray  # (n, C - 1)
    words: np.ndarray  # (n, W)


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that training has seen, by number. Other tokens of a text are left out.

    Args:
        words, characters, bigrams: distinct tokens, the most frequent first. Bigrams are pairs of characters within a
            word.

    >>> vocabulary = Vocabulary.of_texts(["whole milk", "oat milk"], min_count=1)
    >>> vocabulary.words[0], vocabulary.encode(["milk shake"]).words.tolist()
    ('milk', [[0]])
    """

    words: Sequence[str]
    characters: Sequence[str]
    bigrams: Sequence[str]

    @classmethod
    def of_texts(
        cls, texts: Iterable[str] | Mapping[str, int], *, min_count: int = 2, most: int = 50_000
    ) -> Vocabulary:
        """Collect the tokens that occur at least ``min_count`` times, at most the ``most`` most frequent of each kind.
        Tokens that are equally frequent are taken in the order of their text.

        Args:
            texts: texts, or texts with how often each occurs.
            min_count: occurrences that a token needs.
            most: largest number of words, of characters and of bigrams.
        Raises:
            ValueError: no word is frequent enough.
        """
        counts: dict[str, Counter[str]] = {"words": Counter(), "characters": Counter(), "bigrams": Counter()}
        counted = texts if isinstance(texts, Mapping) else Counter(texts)
        for text, times in counted.items():
            for word in words_of(text):
                counts["words"][word] += times
                for character in word:
                    counts["characters"][character] += times
                for pair in _pairs(word):
                    counts["bigrams"][pair] += times
        kept = {
            # Ties by the token itself: the order of the texts must not matter.
            kind: [token for token, n in sorted(found.items(), key=lambda t: (-t[1], t[0]))[:most] if n >= min_count]
            for kind, found in counts.items()
        }
        if not kept["words"]:
            raise ValueError(
                f"no word occurs min_count (={min_count}) times in the texts; give more texts, or lower it"
            )
        return cls(**kept)

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of texts. Unknown tokens are left out, and a text without known tokens is a row of -1."""
        split = [words_of(text) for text in texts]
        return Tokens(
            _padded([[self._characters.get(c) for word in words for c in word] for words in split]),
            _padded([[self._bigrams.get(p) for word in words for p in _pairs(word)] for words in split]),
            _padded([[self._words.get(word) for word in words] for words in split]),
        )

    def unknown(self, text: str) -> str | None:
        """Return one line on the parts of a query that are not known; None if at least one word is known.

        >>> vocabulary = Vocabulary.of_texts(["milk"], min_count=1)
        >>> vocabulary.unknown("limk")
        "no word of the query 'limk' was seen in training; it is read by its characters"
        """
        row = self.encode([text])
        if (row.words >= 0).any():
            return None
        if (row.characters >= 0).any():
            return f"no word of the query {text!r} was seen in training; it is read by its characters"
        return (
            f"no word and no character of the query {text!r} was seen in training, perhaps because of its script; "
            "the results depend on the user's history alone"
        )

    @cached_property
    def _words(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.words)}

    @cached_property
    def _characters(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.characters)}

    @cached_property
    def _bigrams(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.bigrams)}


def _pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)]


def _padded(rows: list[list[int | None]]) -> np.ndarray:
    known = [[number for number in row if number is not None] for row in rows]
    padded = np.full((len(known), max(1, max(map(len, known), default=1))), -1, dtype=np.int64)
    for row, numbers in zip(padded, known):
        row[: len(numbers)] = numbers
    return padded

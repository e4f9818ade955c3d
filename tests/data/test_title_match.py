from __future__ import annotations

import itertools

import numpy as np

from poeem.data.title_match import TitleMatch, one_edit


def distance(a: str, b: str) -> int:
    """Edits between two words, neighbours that change places being one (optimal string alignment)."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, j in itertools.product(range(1, len(a) + 1), range(1, len(b) + 1)):
        same = a[i - 1] == b[j - 1]
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (not same))
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[-1, -1]


def test_one_edit_is_every_word_at_distance_one():
    every = ["".join(letters) for n in range(6) for letters in itertools.product("abc", repeat=n)]
    for word in ("abca", "aab", "b"):
        assert one_edit(word, "abc") == {other for other in every if distance(word, other) == 1}


def test_a_misspelt_word_stands_for_the_words_near_it():
    match = TitleMatch(["garlic toast", "garlic bread", "bread", "breath mints", ""])

    def found(query: str) -> list[int]:
        return np.flatnonzero(match.rows(query)).tolist()

    assert found("garlic") == [0, 1]
    assert found("garilc toast") == [0]
    assert found("grlic bread") == [1]
    assert found("breas") == [1, 2]  # bread, not breath
    assert found("breat") == [1, 2, 3]  # both
    assert found("xyzzy") == [0, 1, 2, 3, 4]
    assert found("xyzzy mints") == [3]
    assert found("toats garlic") == [0]
    assert found("tost") == [0]
    assert found("tos") == [0, 1, 2, 3, 4]  # too short to be corrected
    assert found("toast mints") == []

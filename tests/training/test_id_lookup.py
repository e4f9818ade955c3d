from __future__ import annotations

import numpy as np
import pytest

from poeem.training import id_lookup
from poeem.training.id_lookup import Lookup

TITLES = np.array(["American President, The (1995)", "Heat (1995)", "The (1995)", "Toy Story (1995)"], dtype=object)


def test_ids_of_both_kinds_are_found():
    assert Lookup(TITLES, "item").number(" Heat (1995) ") == 1
    assert Lookup(np.array([10, 7]), "user").number("7") == 1


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Heat (1995),Toy Story (1995)", [1, 3]),
        ("Heat (1995), American President, The (1995)", [1, 0]),
        ("The (1995),The (1995)", [2, 2]),
    ],
)
def test_lists_of_ids_that_hold_commas(text, numbers):
    assert Lookup(TITLES, "item").numbers(text).tolist() == numbers


@pytest.mark.parametrize(
    ("text", "hint"),
    [("heat", "did you mean 'Heat"), ("Toys Story (1995)", "did you mean 'Toy"), ("???", "they look like 'Amer")],
)
def test_an_unknown_id_gets_the_nearest_hint(text, hint):
    with pytest.raises(ValueError, match=rf"item \(=.*\) is not among the 4 known ones; {hint}"):
        Lookup(TITLES, "item").number(text)


def test_a_large_catalogue_is_not_compared_one_by_one(monkeypatch):
    monkeypatch.setattr(id_lookup, "HINTED_IDS", 3)
    with pytest.raises(ValueError, match="they look like"):
        Lookup(TITLES, "item").number("Toys Story (1995)")


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="item list is empty"):
        Lookup(TITLES, "item").numbers(" ")

import numpy as np
import pytest

from poeem.data.datasets.complete_journey_search import phrases_of, typed_words, with_slip


def test_queries_are_made_of_the_words_of_category_and_type():
    category, kind = "FROZEN BREAD/DOUGH", "FRZN GARLIC BREAD/TOAST/STICKS"
    phrases = phrases_of(category, kind, np.random.default_rng(0))
    allowed = set(typed_words(category)) | set(typed_words(kind))
    assert len(phrases) == 12
    assert {word for phrase in phrases for word in phrase.split()} <= allowed
    assert {len(phrase.split()) for phrase in phrases} == {1, 2}
    assert phrases_of("FRZN ICE", None, np.random.default_rng(0))
    assert phrases_of(None, "22 LB", np.random.default_rng(0)) == []


@pytest.mark.parametrize("place", np.linspace(0, 0.999, 30))
def test_a_slip_is_one_letter(place):
    slipped = with_slip("oat milk", place)
    assert slipped != "oat milk"
    assert slipped.startswith("oat m")
    assert len(slipped) == (8 if place < 0.5 else 7)


@pytest.mark.data
def test_complete_journey_search():
    from poeem.data.datasets import load_events

    events = load_events("complete-journey-search")
    assert (len(events), len(events.user_ids), events.n_items) == (1_305_185, 2_461, 17_138)
    assert events.kinds == ["buy"]
    assert (events.query >= 0).all()

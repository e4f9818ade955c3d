"""A fit that ranks a sample of the items: which items, their labels, and figures over all items."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.training.frozen.item_sample import sample_items
from poeem.training.recipes.vectors import fit_vectors

RNG = np.random.default_rng(0)
ITEMS = (RNG.standard_normal((1200, 6)) @ RNG.standard_normal((6, 16))).astype(np.float32)
QUERIES = ITEMS[RNG.integers(0, 1200, 700)] + 0.2 * RNG.standard_normal((700, 16)).astype(np.float32)


def test_few_items_are_not_sampled():
    assert sample_items(ITEMS, None, [None], RNG).items is ITEMS
    sample = sample_items(ITEMS, 1200, [None], RNG)
    assert sample.items is ITEMS
    assert sample.rows is None
    assert sample.part(ITEMS) is ITEMS


def test_relevant_items_are_in_the_sample_at_their_new_rows():
    labels = Ragged.from_lengths(np.array([2, 0, 1]), np.array([1199, 4, 7]))
    sample = sample_items(ITEMS, 50, [labels, None], np.random.default_rng(1))
    assert sample.rows is not None
    assert len(np.unique(sample.rows)) == len(sample.items) == 50
    assert (sample.items == ITEMS[sample.rows]).all()
    moved = sample.labels(labels)
    assert moved is not None
    assert sample.rows[moved.values].tolist() == labels.values.tolist()
    assert moved.lengths.tolist() == [2, 0, 1]
    assert sample.labels(None) is None


def test_more_relevant_items_than_the_sample_should_have():
    labels = Ragged.from_lengths(np.array([100]), np.arange(100))
    assert sample_items(ITEMS, 50, [labels], RNG).rows.tolist() == list(range(100))  # pyright: ignore


@pytest.mark.parametrize("spec", ["RQ2x4", "IVF8,PQ4x4"])
def test_figures_are_of_all_items(spec):
    """The reported recall is that of the bundle's codes over all items, not over the sample, where it is higher."""
    fit = fit_vectors(ITEMS, QUERIES, spec=spec, max_items=300, epochs=1, list_weight=0.0, show=False, device="cpu")
    assert any("300 of the 1,200 items" in note for note in fit.notes)
    assert fit.exact["neighbour_recall@10"] == 1
    assert fit.result.history
    if fit.result.kept:
        sampled = max(figures["neighbour_recall@10"] for figures in fit.result.history.values())
        assert fit.result.best["neighbour_recall@10"] < sampled
    whole = fit_vectors(ITEMS, QUERIES, spec=spec, epochs=1, list_weight=0.0, show=False, device="cpu")
    # The warm start does not depend on the sample: its figures over all items are the same.
    assert fit.result.warm_start == whole.result.warm_start

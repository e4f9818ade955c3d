"""The warning that the model of the vectors was trained on the labels of the training queries."""

from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.memorised_labels import memorised_labels

RNG = np.random.default_rng(0)
ITEMS = RNG.standard_normal((2000, 16)).astype(np.float32)


def labelled(noise, n=400):
    """Queries at a distance from their items, and these items as labels."""
    rows = RNG.integers(0, len(ITEMS), n)
    queries = ITEMS[rows] + noise * RNG.standard_normal((n, 16))
    return queries.astype(np.float32), Ragged(np.arange(n + 1), rows)


def unseen(noise):
    queries, labels = labelled(noise)
    return HeldOut(queries, np.zeros((len(queries), 10), np.int64), labels)


def test_training_queries_beside_their_items_are_told():
    queries, labels = labelled(0.3)
    warning = memorised_labels(queries, labels, unseen(2.5), ITEMS, "ip")
    exact = np.argsort(-(queries @ ITEMS.T), axis=1)[:, :10]
    found = np.mean([label in row for label, row in zip(labels.values, exact)])
    assert f"finds .{found * 1000:03.0f} of the labels of training queries" in warning
    assert "leave relevance out" in warning


def test_queries_alike_are_not_told():
    assert memorised_labels(*labelled(1.0), unseen(1.0), ITEMS, "ip") is None


def test_without_labels_nothing_is_compared():
    queries, _ = labelled(0.3)
    assert memorised_labels(queries, None, unseen(2.5), ITEMS, "ip") is None
    no_labels = HeldOut(queries, np.zeros((len(queries), 10), np.int64))
    assert memorised_labels(queries, labelled(0.3)[1], no_labels, ITEMS, "ip") is None

from __future__ import annotations

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.evaluation.metrics import expected_ranks, ranking_metrics
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.top_items import blocks, top_items


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((400, 8)).astype(np.float32), rng.standard_normal((40, 8)).astype(np.float32)


def test_figures_are_those_of_full_rankings():
    items, queries = data()
    rough = items + 0.3 * np.random.default_rng(1).standard_normal(items.shape).astype(np.float32)
    lengths = np.arange(40) % 3
    relevant = Ragged.from_lengths(lengths, np.random.default_rng(2).permutation(400)[: lengths.sum()])
    _, neighbours = top_items(queries, blocks(items), 10, metric="ip")
    found = HeldOut(queries, neighbours, relevant).figures(queries, blocks(rough, rows=64), "ip")
    scores = (queries.astype(float) @ rough.T)[lengths > 0]
    labelled = relevant.take(np.flatnonzero(lengths))
    ranks = expected_ranks(scores, labelled)
    expected = ranking_metrics(np.where(ranks <= 100, ranks, np.inf), labelled.offsets)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value.mean())
    best = np.argsort(-(queries @ rough.T), axis=1)[:, :10]
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, neighbours)])
    assert found["neighbour_recall@10"] == pytest.approx(overlap)


def test_of_two_that_find_as_many_labels_the_one_stands_higher_that_has_them_in_front():
    items, queries = data()
    _, neighbours = top_items(queries, blocks(items), 10, metric="ip")
    labelled = HeldOut(queries, neighbours, Ragged.from_lengths(np.ones(40, np.int64), neighbours[:, 5]))
    exact = labelled.figures(queries, blocks(items), "ip")
    back = exact | {"ndcg@10": exact["ndcg@10"] - 0.1, "neighbour_recall@10": 2.0}
    assert labelled.sort_key(exact) > labelled.sort_key(back) == labelled.sort_key(dict(back))
    assert labelled.sort_key(back) > labelled.sort_key(exact | {"recall@100": exact["recall@100"] - 0.01})


def test_without_labels_the_neighbours_decide():
    items, queries = data()
    _, neighbours = top_items(queries, blocks(items), 10, metric="ip")
    held_out = HeldOut(queries, neighbours)
    assert held_out.measure == "neighbour_recall@10"
    found = held_out.figures(queries, blocks(items), "ip")
    assert found.keys() == {"neighbour_recall@10", "queries", "intervals"}
    assert found["neighbour_recall@10"] == 1.0

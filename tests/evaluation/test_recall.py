"""Recall by blocks of queries: labels, masked items, unavailable items, and rows that an engine returned."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.evaluation import recall
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import nearest_items, query_metrics, returned_metrics
from poeem.evaluation.scorers import FloatScorer


@pytest.fixture
def scorer():
    # The only query scores item i by -i.
    return FloatScorer(-np.arange(150.0)[:, None], "ip")


def one_query(relevant, seen=None):
    rows = [Ragged.from_lengths(np.array([1]), np.array([row])) for row in (relevant, seen) if row is not None]
    return QuerySet(np.ones((1, 1), dtype=np.float32), *rows)


def recall_100(scorer, *rows, available=None):
    return query_metrics(scorer, one_query(*rows), available)["recall@100"].tolist()


def test_seen_items_take_no_rank(scorer):
    assert recall_100(scorer, 99) == [1]
    assert recall_100(scorer, 100) == [0]
    assert recall_100(scorer, 100, 3) == [1]
    # The target is never masked.
    assert recall_100(scorer, 99, 99) == [1]


def test_unavailable_items_take_no_rank(scorer):
    available = np.arange(150) != 3
    assert recall_100(scorer, 100, available=available) == [1]
    assert recall_100(scorer, 3, available=available) == [0]
    assert set(nearest_items(scorer, one_query(0), 4, available)[0].tolist()) == {0, 1, 2, 4}


@pytest.mark.parametrize("block", [2**24, 150, 450])  # all queries at once, one or three at a time
def test_queries_without_labels_are_left_out_of_the_label_metrics_alone(monkeypatch, block):
    monkeypatch.setattr(recall, "BLOCK_SCORES", block)
    random = np.random.default_rng(0)
    items, vectors = random.normal(size=(150, 4)), random.normal(size=(7, 4))
    lengths = np.array([1, 0, 0, 0, 2, 0, 1])
    relevant = Ragged.from_lengths(lengths, random.integers(0, 150, 4))
    scorer = FloatScorer(items, "ip")
    neighbours = nearest_items(scorer, QuerySet(vectors), 10)
    values = query_metrics(scorer, QuerySet(vectors, relevant, neighbours=neighbours))
    assert values["neighbour_recall@10"].tolist() == [1] * 7
    ranks = (-(vectors @ items.T)).argsort(1).argsort(1)
    expected = [(ranks[row, relevant[row]] < 10).mean() for row in np.flatnonzero(lengths)]
    assert values["recall@10"].tolist() == pytest.approx(expected)


def test_items_as_queries_never_find_themselves():
    items = np.random.default_rng(0).normal(size=(50, 4))
    queries = QuerySet(items[[3, 7]], self_rows=np.array([3, 7]))
    neighbours = nearest_items(FloatScorer(items, "l2"), queries, 49)
    assert [set(range(50)) - set(row) for row in neighbours.tolist()] == [{3}, {7}]


def test_returned_rows_have_the_metrics_of_the_scores_they_come_from():
    random = np.random.default_rng(0)
    items, vectors = random.normal(size=(300, 8)), random.normal(size=(20, 8))
    rough = FloatScorer(np.round(items) + 0.01 * items, "ip")
    lengths = np.arange(20) % 3
    relevant = Ragged.from_lengths(lengths, random.permutation(300)[: lengths.sum()])
    neighbours = nearest_items(FloatScorer(items, "ip"), QuerySet(vectors), 10)
    rows = np.argsort(-rough.scores(vectors), axis=1)
    expected = query_metrics(rough, QuerySet(vectors, relevant, neighbours=neighbours))
    found = returned_metrics(rows, neighbours, relevant)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-12)
    # An engine that returns fewer rows fills up with -1, which is no item.
    empty = returned_metrics(np.full((20, 100), -1), neighbours, relevant)
    assert all((values == 0).all() for values in empty.values())

"""Which queries are trained on and which are held out, and when items serve as queries."""

from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged
from poeem.training.frozen.query_split import FEW_QUERIES, MAX_HELD_OUT, UnseenQueries, split_queries

ITEMS = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)


def rows_of(vectors: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in vectors}


def test_many_queries_are_split_with_their_labels():
    queries = np.random.default_rng(1).standard_normal((FEW_QUERIES, 4)).astype(np.float32)
    labels = Ragged(np.arange(FEW_QUERIES + 1), np.arange(FEW_QUERIES) % 500)
    split = split_queries(queries, labels, ITEMS, 1000, np.random.default_rng(2))
    assert (len(split.train), len(split.held_out), split.notes) == (900, 100, [])
    assert not rows_of(split.train) & rows_of(split.held_out)
    number = {row.tobytes(): i for i, row in enumerate(queries)}
    for part, part_labels in ((split.train, split.train_labels), (split.held_out, split.held_out_labels)):
        assert [number[row.tobytes()] % 500 for row in part] == part_labels.values.tolist()


def test_few_queries_are_joined_by_items_without_labels():
    queries, labels = ITEMS[:40] + 1, Ragged(np.arange(41), np.arange(40))
    split = split_queries(queries, labels, ITEMS, 1000, np.random.default_rng(2))
    # 40 queries are too few to hold out any of them: items are held out.
    assert (len(split.train), len(split.held_out)) == (40 + 450, 50)
    assert rows_of(split.train) == rows_of(queries) | (rows_of(ITEMS) - rows_of(split.held_out))
    assert split.held_out_labels is None
    assert split.train_labels.lengths.tolist() == [1] * 40 + [0] * 450
    assert len(split.notes) == 2


def test_without_queries_items_are_split():
    split = split_queries(None, None, ITEMS, 1000, np.random.default_rng(2))
    assert (len(split.train), len(split.held_out), split.train_labels) == (450, 50, None)
    assert rows_of(split.train) | rows_of(split.held_out) == rows_of(ITEMS)


def test_the_last_rows_are_held_out_if_that_is_asked():
    queries = np.random.default_rng(1).standard_normal((FEW_QUERIES, 4)).astype(np.float32)
    labels = Ragged(np.arange(FEW_QUERIES + 1), np.arange(FEW_QUERIES) % 500)
    split = split_queries(queries, labels, ITEMS, 1000, np.random.default_rng(2), last=True)
    np.testing.assert_array_equal(split.held_out, queries[-100:])
    assert split.held_out_labels.values.tolist() == (np.arange(FEW_QUERIES) % 500)[-100:].tolist()
    assert len(split.train) == 900
    # The other queries are a random sample of all rows before these.
    assert rows_of(split.train) <= rows_of(queries[:-100])
    assert not rows_of(split.train) <= rows_of(queries[:2000])


def test_unseen_queries_are_held_out_and_all_others_train():
    queries = np.random.default_rng(1).standard_normal((FEW_QUERIES, 4)).astype(np.float32)
    unseen = np.random.default_rng(3).standard_normal((MAX_HELD_OUT + 20, 4)).astype(np.float32)
    labels = Ragged(np.arange(len(unseen) + 1), np.arange(len(unseen)) % 500)
    judges = UnseenQueries(unseen, labels)
    split = split_queries(queries, None, ITEMS, FEW_QUERIES, np.random.default_rng(2), unseen=judges)
    assert rows_of(split.train) == rows_of(queries)
    assert len(split.held_out) == MAX_HELD_OUT
    number = {row.tobytes(): i % 500 for i, row in enumerate(unseen)}
    assert [number[row.tobytes()] for row in split.held_out] == split.held_out_labels.values.tolist()


def test_unseen_queries_judge_a_fit_to_items_too():
    unseen = np.random.default_rng(3).standard_normal((60, 4)).astype(np.float32)
    split = split_queries(None, None, ITEMS, 1000, np.random.default_rng(2), unseen=UnseenQueries(unseen))
    assert rows_of(split.train) == rows_of(ITEMS)
    assert rows_of(split.held_out) == rows_of(unseen)

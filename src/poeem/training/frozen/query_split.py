"""QuerySplit: the training and the held-out queries of a fit. Items serve as queries if there are few queries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from poeem.data.ragged import Ragged

HELD_OUT_SHARE, MAX_HELD_OUT = 0.1, 1500
# With fewer held-out queries than this, items are held out instead.
MIN_HELD_OUT = 50
# With fewer queries than this, items serve as queries too.
FEW_QUERIES = 4096
MAX_ITEMS_AS_QUERIES = 32_768


class UnseenQueries(NamedTuple):
    """Queries that neither the fit nor the model of the vectors was trained on.

    Args:
        vectors: float, ``(nq, dim)``, at least ``MIN_HELD_OUT`` rows.
        labels: relevant items of each query, ``nq`` rows; None without labels.
    """

    vectors: Any
    labels: Ragged | None = None


class QuerySplit(NamedTuple):
    """Training and held-out queries, with their labels.

    Args:
        train: float32, ``(n_train, dim)``.
        held_out: float32, ``(n_held_out, dim)``.
        train_labels, held_out_labels: relevant items of each query; None without labels.
        notes: warnings for the user.
    """

    train: np.ndarray
    held_out: np.ndarray
    train_labels: Ragged | None
    held_out_labels: Ragged | None
    notes: list[str]


def split_queries(
    queries: Any,
    labels: Ragged | None,
    items: Any,
    max_queries: int,
    rng: np.random.Generator,
    *,
    last: bool = False,
    unseen: UnseenQueries | None = None,
) -> QuerySplit:
    """Split queries into training and held-out ones. If there are few, items join the training queries and may be held
    out too.

    Args:
        queries: float, ``(nq, dim)``, or None.
        labels: relevant items of each query, ``nq`` rows; None without labels.
        items: float, ``(n, dim)``.
        max_queries: the most queries to use.
        rng: makes the random choice.
        last: whether the last rows are held out, in place of random ones.
        unseen: queries to hold out, at most ``MAX_HELD_OUT`` of them; all of ``queries`` then train.
    Returns:
        the two sets, and notes for the user.
    """
    notes: list[str] = []
    count = 0 if queries is None else len(queries)
    n_held_out = 0 if unseen is not None else min(MAX_HELD_OUT, int(min(count, max_queries) * HELD_OUT_SHARE))
    rows = rng.permutation(count)
    if last:
        rows = np.concatenate([np.arange(count - n_held_out, count), rows[rows < count - n_held_out]])
    rows = rows[:max_queries]
    item_queries = np.empty((0, items.shape[1]), np.float32)
    if count < FEW_QUERIES:
        item_rows = np.sort(rng.permutation(len(items))[:MAX_ITEMS_AS_QUERIES])
        item_queries = np.asarray(items[item_rows], dtype=np.float32)
        notes.append(
            f"{count} queries are few: {len(item_rows)} items serve as queries too. The index then learns the "
            "neighbours of items; with more queries from logs, recall for queries is higher, see "
            "docs/benchmarks/frozen.md"
        )
    if unseen is not None:
        held_out_rows = np.sort(rng.permutation(len(unseen.vectors))[:MAX_HELD_OUT])
        held_out = np.asarray(unseen.vectors[held_out_rows], dtype=np.float32)
        held_out_labels = None if unseen.labels is None else unseen.labels.take(held_out_rows)
    elif queries is None or n_held_out < MIN_HELD_OUT:
        if labels is not None:
            notes.append(
                f"{count} queries are too few to hold out one in ten: nearest neighbours of items judge the fit, "
                "not labels"
            )
        n_held_out, n_items = 0, max(1, min(MAX_HELD_OUT, int(len(item_queries) * HELD_OUT_SHARE)))
        order = rng.permutation(len(item_queries))
        held_out, item_queries = item_queries[order[:n_items]], item_queries[order[n_items:]]
        held_out_labels = None
    else:
        held_out = np.asarray(queries[rows[:n_held_out]], dtype=np.float32)
        held_out_labels = None if labels is None else labels.take(rows[:n_held_out])
    if held_out_labels is not None and not held_out_labels.lengths.any():
        held_out_labels = None
    train_rows = rows[n_held_out:]
    train = item_queries[:0] if queries is None else np.asarray(queries[train_rows], dtype=np.float32)
    train_labels = None
    if labels is not None:
        labelled = labels.take(train_rows)
        lengths = np.concatenate([labelled.lengths, np.zeros(len(item_queries), np.int64)])
        train_labels = Ragged.from_lengths(lengths, labelled.values)
    return QuerySplit(np.concatenate([train, item_queries]), held_out, train_labels, held_out_labels, notes)

"""Evaluate a scorer that ranks the full catalogue; items that a query has seen are masked unless they are relevant."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.data.split import Queries
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import NEIGHBOURS, nearest_items, query_metrics
from poeem.evaluation.scorers import FloatScorer, Scorer


def evaluate(
    scorer: Scorer,
    queries: Queries,
    query_vectors: np.ndarray,
    *,
    exact_items: np.ndarray,
    metric: str,
    available: np.ndarray | None = None,
) -> dict[str, Any]:
    """Compute the ranking metrics of :data:`poeem.evaluation.metrics.METRICS`: means over the queries, with intervals.

    Args:
        scorer: scores the catalogue. An item at ``-inf`` (in no visited list, or never seen in training) is a miss.
        queries: histories (masked) and relevant items (never masked), ``nq`` rows.
        query_vectors: float, ``(nq, dim)``.
        exact_items: the model's own float item vectors ``(n_items, dim)``, for ``neighbour_recall@10``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        available: bool, ``(n_items,)``: items that may be returned (``Split.seen_in_training``); default all. The
            others are misses for the scorer, and never neighbours.
    Returns:
        the block of :func:`poeem.evaluation.intervals.with_intervals`.
    Raises:
        ValueError: there are no queries, shapes do not match, or a score is NaN.

    >>> from poeem.data.ragged import Ragged
    >>> query = Queries(np.array([0]), Ragged(np.array([0, 1]), np.array([0])), Ragged(np.array([0, 1]), np.array([2])))
    >>> items = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    >>> metrics = evaluate(FloatScorer(items, "ip"), query, np.array([[1.0, 0.0]]), exact_items=items, metric="ip")
    >>> metrics["mrr@10"], metrics["neighbour_recall@10"]  # item 0 was seen; item 1 ranks before item 2
    (0.5, 1.0)
    """
    nq, n_items = len(queries), len(exact_items)
    if nq == 0:
        raise ValueError("queries are empty: no user has the three events that leave one for the test; use longer data")
    if len(query_vectors) != nq:
        raise ValueError(f"query_vectors must have a row for each of the {nq} queries, got {len(query_vectors)}")
    shape = scorer.scores(query_vectors[:1]).shape
    if shape != (1, n_items):
        raise ValueError(f"scores of a query must be (1, {n_items}), one for each item, got {shape}")
    exact = FloatScorer(exact_items, metric, available)
    neighbours = nearest_items(exact, QuerySet(query_vectors), NEIGHBOURS)
    query_set = QuerySet(query_vectors, queries.relevant, queries.history, neighbours=neighbours)
    return with_intervals(query_metrics(scorer, query_set, available))

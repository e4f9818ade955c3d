"""Evaluation of a scorer: the full catalogue ranked for every query, seen items masked, the target never."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.data.split import Queries
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.metrics import expected_ranks, mask_seen, ranking_metrics
from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall
from poeem.evaluation.scorers import FloatScorer, Scorer

# Scores of one block: 4 million float32, 16 MB, whatever the size of the catalogue.
BLOCK_SCORES = 2**22


def evaluate(
    scorer: Scorer,
    queries: Queries,
    query_vectors: np.ndarray,
    *,
    exact_items: np.ndarray,
    metric: str,
    available: np.ndarray | None = None,
) -> dict[str, Any]:
    """Means over the queries of the metrics of :func:`evaluate_queries`, and their intervals; the same arguments.

    Returns:
        the block of :func:`poeem.evaluation.intervals.with_intervals`.

    >>> from poeem.data.ragged import Ragged
    >>> one = Queries(np.array([0]), Ragged(np.array([0, 1]), np.array([0])), Ragged(np.array([0, 1]), np.array([2])))
    >>> items = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    >>> metrics = evaluate(FloatScorer(items, "ip"), one, np.array([[1.0, 0.0]]), exact_items=items, metric="ip")
    >>> metrics["mrr@10"], metrics["neighbour_recall@10"]  # item 0 was seen, item 1 stands before item 2
    (0.5, 1.0)
    """
    values = evaluate_queries(
        scorer, queries, query_vectors, exact_items=exact_items, metric=metric, available=available
    )
    return with_intervals(values)


def evaluate_queries(
    scorer: Scorer,
    queries: Queries,
    query_vectors: np.ndarray,
    *,
    exact_items: np.ndarray,
    metric: str,
    available: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The ranking metrics of :data:`poeem.evaluation.metrics.METRICS` for every query.

    Args:
        scorer: scores the catalogue; an item at ``-inf`` (in no probed list, never seen in training) is a miss.
        queries: histories (masked) and relevant items (never masked), ``nq`` rows.
        query_vectors: float, ``(nq, dim)``.
        exact_items: the model's own float item vectors ``(n_items, dim)``, for ``neighbour_recall@10``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        available: bool, ``(n_items,)``, items that may be returned (``Split.seen_in_training``); the others are misses
            for the scorer and no neighbours either. Default all.
    Returns:
        float64 ``(nq,)`` by name.
    Raises:
        ValueError: no queries, shapes that do not fit, or a score that is NaN.
    """
    nq, n_items = len(queries), len(exact_items)
    if nq == 0:
        raise ValueError("queries are empty: no user has the three events that leave one for the test; use longer data")
    if len(query_vectors) != nq:
        raise ValueError(f"query_vectors must have a row for each of the {nq} queries, got {len(query_vectors)}")
    exact = FloatScorer(exact_items, metric, available)
    block = max(1, BLOCK_SCORES // n_items)
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, nq, block):
        rows = np.arange(start, min(start + block, nq))
        scores = scorer.scores(query_vectors[rows])
        if scores.shape != (len(rows), n_items):
            raise ValueError(f"scores must be ({len(rows)}, {n_items}), one for each item, got {scores.shape}")
        if available is not None:
            scores = np.where(available, scores, -np.inf)
        asked = queries.take(rows)
        ranks = expected_ranks(mask_seen(scores, asked.history, asked.relevant), asked.relevant)
        nearest = exact_neighbours(exact.scores(query_vectors[rows]), 10)
        parts.append(
            ranking_metrics(ranks, asked.relevant.offsets) | {"neighbour_recall@10": neighbour_recall(scores, nearest)}
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

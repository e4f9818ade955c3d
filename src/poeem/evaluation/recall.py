"""Compute metrics of each query: for a scorer of the whole catalogue, and for the rows that an engine returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from poeem.data.ragged import Ragged
from poeem.evaluation.metrics import expected_ranks, mask_seen, ranking_metrics
from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.scorers import Scorer

# Scores of one block: 16 million float32, 64 MB. Smaller blocks would read the items too often.
BLOCK_SCORES = 2**24
NEIGHBOURS = 10
NEIGHBOUR_RECALL = f"neighbour_recall@{NEIGHBOURS}"
_AS_MANY_AS_NEIGHBOURS: Mapping[str, int | None] = {NEIGHBOUR_RECALL: None}


def query_metrics(
    scorer: Scorer,
    queries: QuerySet,
    available: np.ndarray | None = None,
    *,
    neighbour_depths: Mapping[str, int | None] = _AS_MANY_AS_NEIGHBOURS,
) -> dict[str, np.ndarray]:
    """Compute the metrics of a scorer for each query. Items of equal score share their expected rank.

    Args:
        scorer: scores all items.
        queries: relevant items and neighbours may each be None; their metrics are then left out.
        available: bool, ``(n,)``: items that may be returned; default all.
        neighbour_depths: for each name of a metric, the number of best items among which the neighbours are counted;
            None: as many as there are neighbours.
    Returns:
        float64 by name. The metrics of :func:`ranking_metrics` are those of the queries that have relevant items, in
        order, with seen items masked. The neighbour recalls are those of all queries, and mask nothing.

    >>> from poeem.evaluation.scorers import FloatScorer
    >>> queries = QuerySet(np.array([[1.0]]), neighbours=np.array([[0, 1]]))
    >>> query_metrics(FloatScorer(np.array([[3.0], [1.0], [2.0]]), "ip"), queries)
    {'neighbour_recall@10': array([0.5])}
    """
    parts: list[dict[str, np.ndarray]] = []
    for rows, scores in _score_blocks(scorer, queries, available):
        part = {} if queries.relevant is None else _label_metrics(scores, queries, queries.relevant, rows)
        if queries.neighbours is not None:
            for name, depth in neighbour_depths.items():
                part[name] = neighbour_recall(scores, queries.neighbours[rows], depth)
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def nearest_items(scorer: Scorer, queries: QuerySet, k: int, available: np.ndarray | None = None) -> np.ndarray:
    """Find the rows of the ``k`` best items of each query, in any order: int64 ``(nq, k)``."""
    blocks = _score_blocks(scorer, queries, available)
    return np.concatenate([exact_neighbours(scores, k) for _, scores in blocks])


def neighbour_share(rows: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Compute the share of each query's neighbours ``(nq, m)`` among the returned rows ``(nq, k)``: float64 ``(nq,)``.

    >>> neighbour_share(np.array([[4, 2, -1]]), np.array([[2, 3]]))
    array([0.5])
    """
    return (rows[:, :, None] == neighbours[:, None, :]).any(1).mean(1)


def returned_metrics(rows: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None) -> dict[str, np.ndarray]:
    """Compute the metrics of the rows that an engine returned. Items of equal score keep the engine's order.

    Args:
        rows: int64, ``(nq, k)``, best first; -1 where the engine returned fewer.
        neighbours: int64, ``(nq, 10)``, by exact scores; counted among the first 10 rows.
        relevant: relevant items, ``nq`` rows, which may be empty; None without labels.
    Returns:
        float64 by name: ``neighbour_recall@10``, and with ``relevant`` the metrics of :func:`ranking_metrics` of the
        queries that have relevant items, in order.
    """
    metrics = {NEIGHBOUR_RECALL: neighbour_share(rows[:, :NEIGHBOURS], neighbours)}
    if relevant is not None:
        labelled = np.flatnonzero(relevant.lengths)
        relevant = relevant.take(labelled)
        is_target = rows[labelled][relevant.row_of_value] == relevant.values[:, None]
        ranks = np.where(is_target.any(1), 1.0 + is_target.argmax(1), np.inf)
        metrics |= ranking_metrics(ranks, relevant.offsets)
    return metrics


def _score_blocks(
    scorer: Scorer, queries: QuerySet, available: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Query numbers and scores of one block after the other, ``-inf`` for items that may not be returned."""
    n_items = scorer.scores(queries.vectors[:1]).shape[1]
    size = max(1, BLOCK_SCORES // n_items)
    for start in range(0, len(queries), size):
        rows = np.arange(start, min(start + size, len(queries)))
        scores = scorer.scores(queries.vectors[rows])
        if available is not None:
            scores[:, ~available] = -np.inf
        if queries.self_rows is not None:
            scores[np.arange(len(rows)), queries.self_rows[rows]] = -np.inf
        yield rows, scores


def _label_metrics(scores: np.ndarray, queries: QuerySet, relevant: Ragged, rows: np.ndarray) -> dict[str, np.ndarray]:
    labelled = rows[relevant.lengths[rows] > 0]
    relevant, scores = relevant.take(labelled), scores[labelled - rows[0]]
    if queries.seen is not None:
        scores = mask_seen(scores, queries.seen.take(labelled), relevant)
    return ranking_metrics(expected_ranks(scores, relevant), relevant.offsets)

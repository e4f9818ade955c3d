"""Queries with their relevant items and exact neighbours, and the recall of a scorer on each query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.data.ragged import Ragged
from poeem.evaluation.metrics import expected_ranks, mask_seen, ranking_metrics
from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall
from poeem.evaluation.scorers import Scorer

LABELS, NEIGHBOURS = "labels", "neighbours"
LABEL_METRIC, LABEL_DEPTH = "recall@100", 100
# Scores of one block: 8 million float32, 32 MB.
BLOCK_SCORES = 2**23

# Means come from these: float64, one value for every query that the measure speaks of.
Values = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Queries with their answers.

    Args:
        queries: float32, ``(nq, dim)``, before any query adapter.
        relevant: rows of the relevant items, ``nq`` rows, of which some may be empty; None where nobody has said.
        seen: rows that are masked when labels are looked for, ``nq`` rows; None for none.
        own: int64, ``(nq,)``: the item that a query is, where items play queries; it is no answer to itself.
        neighbours: int64, ``(nq, k)``: the best items by exact scores.
    """

    queries: np.ndarray
    relevant: Ragged | None = None
    seen: Ragged | None = None
    own: np.ndarray | None = None
    neighbours: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def measures(self) -> tuple[str, ...]:
        """Labels, where at least two queries have any (one tells nothing of chance), and neighbours."""
        labelled = self.relevant is not None and np.count_nonzero(self.relevant.lengths) > 1
        return (LABELS, NEIGHBOURS) if labelled else (NEIGHBOURS,)


def nearest(scorer: Scorer, asked: QuerySet, available: np.ndarray | None, k: int) -> np.ndarray:
    """Rows of the ``k`` best items of every query, in no order: int64 ``(nq, k)``."""
    return np.concatenate(
        [
            exact_neighbours(_masked(scorer.scores(asked.queries[rows]), asked, rows, available), k)
            for rows in _blocks(scorer, asked)
        ]
    )


def found(
    scorer: Scorer,
    asked: QuerySet,
    available: np.ndarray | None = None,
    *,
    adapter: np.ndarray | None = None,
    measures: tuple[str, ...] | None = None,
) -> Values:
    """Recall of a scorer for every query.

    Args:
        scorer: scores all items.
        asked: the queries, with neighbours.
        available: bool, ``(n,)``: items that may be returned; default all.
        adapter: ``(dim, dim)``: queries are multiplied by it first.
        measures: default all that can be had.
    Returns:
        ``labels``: recall@100 of the queries that have relevant items; ``neighbours``: share of the exact ``k`` best
        among the ``k`` best. Equal scores share their expected rank.
    """
    measures = asked.measures if measures is None else measures
    queries = asked.queries if adapter is None else asked.queries @ adapter
    parts: list[Values] = []
    for rows in _blocks(scorer, asked):
        scores = _masked(scorer.scores(queries[rows]), asked, rows, available)
        part: Values = {}
        if NEIGHBOURS in measures and asked.neighbours is not None:
            part[NEIGHBOURS] = neighbour_recall(scores, asked.neighbours[rows])
        if LABELS in measures and asked.relevant is not None:
            part[LABELS] = _label_recall(scores, asked, rows)
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in measures}


def _label_recall(scores: np.ndarray, asked: QuerySet, rows: np.ndarray) -> np.ndarray:
    assert asked.relevant is not None
    labelled = np.flatnonzero(asked.relevant.lengths[rows])
    relevant = asked.relevant.take(rows[labelled])
    if not len(labelled):
        return np.empty(0)
    scores = scores[labelled]
    if asked.seen is not None:
        scores = mask_seen(scores, asked.seen.take(rows[labelled]), relevant)
    return ranking_metrics(expected_ranks(scores, relevant), relevant.offsets)[LABEL_METRIC]


def _masked(scores: np.ndarray, asked: QuerySet, rows: np.ndarray, available: np.ndarray | None) -> np.ndarray:
    if available is not None:
        scores[:, ~available] = -np.inf
    if asked.own is not None:
        scores[np.arange(len(rows)), asked.own[rows]] = -np.inf
    return scores


def _blocks(scorer: Scorer, asked: QuerySet) -> list[np.ndarray]:
    n = scorer.scores(asked.queries[:1]).shape[1]
    size = max(1, BLOCK_SCORES // n)
    return [np.arange(start, min(start + size, len(asked))) for start in range(0, len(asked), size)]

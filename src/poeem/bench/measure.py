"""The figures of a scorer on frozen vectors, by blocks of queries."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.baselines.baseline import Searchable
from poeem.data.ragged import Ragged
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.metrics import expected_ranks, ranking_metrics
from poeem.evaluation.neighbours import neighbour_recall
from poeem.evaluation.scorers import Scorer

LABEL_METRICS = ("recall@10", "recall@100", "mrr@10", "ndcg@10")
NEIGHBOUR_METRICS = ("neighbour_recall@10", "neighbour_recall@10_in_100")
ENGINE_METRICS = ("engine_recall@100", "engine_neighbour_recall@10")
# Scores of one block: 16 million float32, 64 MB; fewer would read the items too often.
BLOCK_SCORES = 2**24


def measure(
    scorer: Scorer, queries: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None
) -> dict[str, Any]:
    """Means over the queries, with their intervals; equal scores share their expected rank.

    Args:
        scorer: scores all items.
        queries: float, ``(nq, dim)``.
        neighbours: exact ones, ``(nq, 10)``.
        relevant: rows of the relevant items of every query; None leaves the ranking metrics out.
    Returns:
        ``neighbour_recall@10``: exact 10 nearest among the 10 best; ``neighbour_recall@10_in_100``: among the 100 best,
        what faiss calls 10-recall@100, the most that rescoring 100 candidates can reach; with labels
        ``recall@10``, ``recall@100``, ``mrr@10`` and ``ndcg@10`` of :data:`poeem.evaluation.metrics.METRICS`.
    """
    n = scorer.scores(queries[:1]).shape[1]
    parts: list[dict[str, np.ndarray]] = []
    for rows in _blocks(len(queries), n):
        scores = scorer.scores(queries[rows])
        figures = {
            "neighbour_recall@10": neighbour_recall(scores, neighbours[rows]),
            "neighbour_recall@10_in_100": neighbour_recall(scores, neighbours[rows], k=100),
        }
        if relevant is not None:
            asked = relevant.take(np.arange(len(queries))[rows])
            ranking = ranking_metrics(expected_ranks(scores, asked), asked.offsets)
            figures |= {name: ranking[name] for name in LABEL_METRICS}
        parts.append(figures)
    return with_intervals({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def measure_engine(
    index: Searchable, queries: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None
) -> dict[str, float]:
    """What the engine itself returns: its tables may be rounded, and it breaks ties as it likes.

    Args:
        index: with faiss's ``search``.
        queries: float32, ``(nq, dim)``, prepared.
        neighbours, relevant: as for :func:`measure`.
    Returns:
        ``engine_recall@100`` with labels, and ``engine_neighbour_recall@10``.
    """
    _, rows = index.search(queries, 100)
    near = (rows[:, :10, None] == neighbours[:, None, :]).any(1).mean()
    figures = {"engine_neighbour_recall@10": float(near)}
    if relevant is not None:
        hits = (rows[relevant.row_of_value] == relevant.values[:, None]).any(1)
        found = np.bincount(relevant.row_of_value, hits, minlength=len(queries))
        figures["engine_recall@100"] = float((found / relevant.lengths).mean())
    return figures


def _blocks(nq: int, n: int) -> list[slice]:
    size = max(1, BLOCK_SCORES // n)
    return [slice(start, min(start + size, nq)) for start in range(0, nq, size)]

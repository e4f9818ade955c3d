"""Measure scorers and engines on fixed vectors: means of recall and other metrics over the queries."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.baselines.baseline import Searchable
from poeem.data.ragged import Ragged
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import query_metrics, returned_metrics
from poeem.evaluation.scorers import Scorer

LABEL_METRICS = ("recall@10", "recall@100", "mrr@10", "ndcg@10")
NEIGHBOUR_DEPTHS = {"neighbour_recall@10": 10, "neighbour_recall@10_in_100": 100}
ENGINE_METRICS = ("engine_recall@100", "engine_neighbour_recall@10")


def measure(
    scorer: Scorer, queries: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None
) -> dict[str, Any]:
    """Measure a scorer. Items of equal score share their expected rank.

    Args:
        scorer: scores all items.
        queries: float, ``(nq, dim)``.
        neighbours: int64, ``(nq, 10)``: the exact nearest items.
        relevant: relevant items of each query; None leaves the label metrics out.
    Returns:
        means over the queries, 0 to 1, with 95 % intervals: ``neighbour_recall@10``, the fraction of the neighbours
        found in the 10 best; ``neighbour_recall@10_in_100``, in the 100 best (faiss's 10-recall@100), the most that
        re-ranking 100 candidates can reach; with labels also ``recall@10``, ``recall@100``, ``mrr@10`` and ``ndcg@10``,
        see :data:`poeem.evaluation.metrics.METRICS`.
    """
    query_set = QuerySet(queries, relevant, neighbours=neighbours)
    values = query_metrics(scorer, query_set, neighbour_depths=NEIGHBOUR_DEPTHS)
    names = [*NEIGHBOUR_DEPTHS, *([] if relevant is None else LABEL_METRICS)]
    return with_intervals({name: values[name] for name in names})


def measure_engine(
    index: Searchable, queries: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None
) -> dict[str, float]:
    """Measure the recall of the items that an engine returns.

    The engine may round its look-up tables, and it orders equal scores in its own way.

    Args:
        index: an index with faiss's ``search``.
        queries: float32, ``(nq, dim)``, of unit length under ``cosine``.
        neighbours, relevant: as for :func:`measure`.
    Returns:
        ``engine_neighbour_recall@10``, and with labels ``engine_recall@100``.
    """
    _, rows = index.search(queries, 100)
    values = returned_metrics(rows, neighbours, relevant)
    names = ("neighbour_recall@10", "recall@100")
    return {f"engine_{name}": float(values[name].mean()) for name in names if name in values}

"""Means over queries of the metrics of a scorer and of an engine, on frozen vectors."""

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
    """Means over the queries, with intervals. Equal scores share their expected rank.

    Args:
        scorer: scores all items.
        queries: float, ``(nq, dim)``.
        neighbours: int64, ``(nq, 10)``: the exact nearest items.
        relevant: relevant items of each query; None leaves the label metrics out.
    Returns:
        ``neighbour_recall@10``: share of the neighbours among the 10 best; ``neighbour_recall@10_in_100``: among the
        100 best. faiss calls this 10-recall@100; it is the most that rescoring 100 candidates can reach. With labels
        also ``recall@10``, ``recall@100``, ``mrr@10`` and ``ndcg@10`` of :data:`poeem.evaluation.metrics.METRICS`.
    """
    query_set = QuerySet(queries, relevant, neighbours=neighbours)
    values = query_metrics(scorer, query_set, neighbour_depths=NEIGHBOUR_DEPTHS)
    names = [*NEIGHBOUR_DEPTHS, *([] if relevant is None else LABEL_METRICS)]
    return with_intervals({name: values[name] for name in names})


def measure_engine(
    index: Searchable, queries: np.ndarray, neighbours: np.ndarray, relevant: Ragged | None = None
) -> dict[str, float]:
    """Recall of the rows that an engine returns. It may round its tables, and it breaks ties in its own way.

    Args:
        index: with faiss's ``search``.
        queries: float32, ``(nq, dim)``, prepared.
        neighbours, relevant: as for :func:`measure`.
    Returns:
        ``engine_neighbour_recall@10``, and with labels ``engine_recall@100``.
    """
    _, rows = index.search(queries, 100)
    values = returned_metrics(rows, neighbours, relevant)
    names = ("neighbour_recall@10", "recall@100")
    return {f"engine_{name}": float(values[name].mean()) for name in names if name in values}

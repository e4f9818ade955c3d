"""The two measures of an explanation: recall of the labels and recall of the exact neighbours."""

from __future__ import annotations

import dataclasses

import numpy as np

from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import query_metrics
from poeem.evaluation.scorers import Scorer

LABELS, NEIGHBOURS = "labels", "neighbours"
LABEL_METRIC, LABEL_DEPTH = "recall@100", 100

# By measure: float64, one value for each query that the measure counts.
Values = dict[str, np.ndarray]


def available_measures(queries: QuerySet) -> tuple[str, ...]:
    """Neighbours; and labels if at least two queries have any, because one gives no standard error."""
    labelled = queries.relevant is not None and np.count_nonzero(queries.relevant.lengths) > 1
    return (LABELS, NEIGHBOURS) if labelled else (NEIGHBOURS,)


def measure_recall(
    scorer: Scorer,
    queries: QuerySet,
    available: np.ndarray | None = None,
    measures: tuple[str, ...] | None = None,
) -> Values:
    """Recall of a scorer for each query. Equal scores share their expected rank.

    Args:
        scorer: scores all items.
        queries: with exact neighbours, if those are measured.
        available: bool, ``(n,)``: items that may be returned; default all.
        measures: default :func:`available_measures`.
    Returns:
        ``labels``: recall@100 of the queries that have relevant items; ``neighbours``: share of the exact ``k`` best
        items among the scorer's ``k`` best.
    """
    measures = available_measures(queries) if measures is None else measures
    measured = dataclasses.replace(
        queries,
        relevant=queries.relevant if LABELS in measures else None,
        neighbours=queries.neighbours if NEIGHBOURS in measures else None,
    )
    metrics = query_metrics(scorer, measured, available, neighbour_depths={NEIGHBOURS: None})
    return {measure: metrics[LABEL_METRIC if measure == LABELS else measure] for measure in measures}


def standard_error(values: np.ndarray) -> float:
    """Standard error of the mean over queries."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

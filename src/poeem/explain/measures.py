"""The two measures of an explanation: recall of labelled items and recall of the exact nearest neighbours."""

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
    """Return the measures that can be computed: neighbours, and labels if at least two queries have labels."""
    labelled = queries.relevant is not None and np.count_nonzero(queries.relevant.lengths) > 1
    return (LABELS, NEIGHBOURS) if labelled else (NEIGHBOURS,)


def measure_recall(
    scorer: Scorer,
    queries: QuerySet,
    available: np.ndarray | None = None,
    measures: tuple[str, ...] | None = None,
) -> Values:
    """Measure the recall of a scorer for each query. Items of equal score share their expected rank.

    Args:
        scorer: scores all items.
        queries: the queries, with exact neighbours if ``neighbours`` is measured.
        available: bool, ``(n,)``: items that may be returned; None: all.
        measures: the measures; None: :func:`available_measures`.
    Returns:
        ``labels``: recall@100 of each query with relevant items; ``neighbours``: for each query the fraction of the
        exact ``k`` nearest items in the scorer's ``k`` best.
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
    """Return the standard error of the mean over queries."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0

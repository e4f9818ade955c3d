"""Choose the metric of exact search: the given one, or the one that finds the labelled items."""

from __future__ import annotations

import numpy as np

from poeem.evaluation.scorers import FloatScorer
from poeem.explain.measures import LABELS, available_measures, measure_recall, standard_error
from poeem.explain.workload import Workload
from poeem.metric import METRICS

# Another metric replaces the index's if it finds this much more of the labels, and more by three standard errors.
_MORE = 0.005
_ERRORS = 3.0


def reference_metric(workload: Workload, given: str | None = None) -> tuple[str, dict[str, float]]:
    """Choose the metric of exact search.

    Args:
        workload: item vectors, queries and index.
        given: the metric that the vectors are made for; None: the index's, unless another finds clearly more labelled
            items.
    Returns:
        the metric, and recall@100 of the labelled items by exact search with each metric (empty without labels).
    Raises:
        ValueError: a zero vector under ``cosine``.
    """
    queries, index_metric = workload.queries, workload.bundle.metric
    if LABELS not in available_measures(queries):
        return given or index_metric, {}
    values = {}
    for name in METRICS:
        if name == "cosine" and name not in (index_metric, given) and _has_zeros(workload.items, queries.vectors):
            continue
        scorer = FloatScorer(workload.items, name)
        values[name] = measure_recall(scorer, queries, workload.available, measures=(LABELS,))[LABELS]
    best = max(values, key=lambda name: values[name].mean())
    means = {name: float(value.mean()) for name, value in values.items()}
    if given is not None:
        return given, means
    gain = values[best] - values[index_metric]
    clearly_better = gain.mean() > max(_MORE, _ERRORS * standard_error(gain))
    return (best if clearly_better else index_metric), means


def _has_zeros(*vectors: np.ndarray) -> bool:
    return any(bool((~array.any(1)).any()) for array in vectors)

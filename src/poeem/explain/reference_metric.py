"""Which metric exact search ought to use: the one that is said, or the one that finds the labels."""

from __future__ import annotations

import numpy as np

from poeem.evaluation.scorers import FloatScorer
from poeem.explain.loss_attribution import standard_error
from poeem.explain.query_set import LABELS, QuerySet, found
from poeem.metric import METRICS, check_metric

# Another metric must find this much more of the labels, and three standard errors, before the index's is doubted.
_MORE = 0.005
_ERRORS = 3.0


def reference_metric(
    items: np.ndarray,
    asked: QuerySet,
    metric: str,
    wanted: str | None = None,
    available: np.ndarray | None = None,
) -> tuple[str, dict[str, float]]:
    """The metric of exact search, and what exact search by each metric finds of the labels.

    Args:
        items: as they came, ``(n, dim)``.
        asked: the queries.
        metric: the index's.
        wanted: what the vectors are meant for; None: the index's, unless exact search by another one finds clearly more
            labels.
        available: items that may be returned.
    Raises:
        ValueError: no such metric, or a zero vector under ``cosine``.
    """
    if wanted is not None:
        check_metric(wanted)
    if LABELS not in asked.measures:
        return wanted or metric, {}
    values = {}
    for name in METRICS:
        if name == "cosine" and name not in (metric, wanted) and _has_zeros(items, asked.queries):
            continue
        values[name] = found(FloatScorer(items, name), asked, available, measures=(LABELS,))[LABELS]
    best = max(values, key=lambda name: values[name].mean())
    means = {name: float(value.mean()) for name, value in values.items()}
    if wanted is not None:
        return wanted, means
    more = values[best] - values[metric]
    doubted = more.mean() > max(_MORE, _ERRORS * standard_error(more))
    return (best if doubted else metric), means


def _has_zeros(*vectors: np.ndarray) -> bool:
    return any(bool((~one.any(1)).any()) for one in vectors)

"""Metrics of image retrieval with class labels: mAP@R, precision at N and the precision-recall curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.scorers import Scorer

DEPTH = 1000
PRECISION_AT = 100
# Share of the relevant items found, at which the curve gives the precision.
CURVE_RECALLS = np.round(np.arange(1, 21) / 20, 2)
_QUERY_ROWS = 250


def average_precision(hits: np.ndarray) -> np.ndarray:
    """Compute the average precision of each query within its first R items: ``Σ_r hit_r precision@r / Σ_r hit_r``.

    The sum is divided by the number of relevant items within the first R, not by the number of all relevant items, as
    in papers on image hashing. A query whose first R items are all relevant thus has 1.

    Args:
        hits: bool, ``(nq, R)``: whether the item at each rank is relevant, best rank first.
    Returns:
        float64, ``(nq,)``; 0 without a hit.

    >>> average_precision(np.array([[True, False, True], [False, False, False]]))
    array([0.83333333, 0.        ])
    """
    found = np.cumsum(hits, axis=1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(1) / np.maximum(found[:, -1], 1)


def precision_recall_curve(hits: np.ndarray, relevant: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Compute the precision of each query at the first rank at which it has found a given share of its relevant items.

    Args:
        hits: bool, ``(nq, n)``: whole rankings.
        relevant: int64, ``(nq,)``: number of relevant items, at least 1.
        recalls: shares above 0 and at most 1, ``(p,)``.
    Returns:
        float64, ``(nq, p)``.

    >>> precision_recall_curve(np.array([[True, False, True, False]]), np.array([2]), np.array([0.5, 1.0]))
    array([[1.        , 0.66666667]])
    """
    found = np.cumsum(hits, axis=1)
    wanted = np.ceil(np.round(relevant[:, None] * recalls, 9)).astype(np.int64)
    ranks = np.stack([np.searchsorted(row, need) + 1 for row, need in zip(found, wanted)])
    return wanted / ranks


def class_metrics(
    scorer: Scorer,
    query_vectors: np.ndarray,
    query_labels: np.ndarray,
    item_labels: np.ndarray,
    *,
    curve: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Compute mAP@1000 and precision@100, where an item is relevant if it has the query's label.

    Items of equal score come in one random order, the same for every query. Short codes give many equal scores, and the
    order of the files, which often is that of the classes, must not help. Queries without a label, or with one that no
    item has, are left out. precision@100 divides by 100 also if there are fewer items.

    Args:
        scorer: scores the items.
        query_vectors: float, ``(nq, dim)``.
        query_labels: int64, ``(nq,)``; -1 for a query without a class.
        item_labels: int64, ``(n,)``; -1 for an item without a class.
        curve: whether to add the precision-recall curve, ``{"recall": [...], "precision": [...]}``, over whole
            rankings.
        seed: of the order of equal scores.
    Returns:
        means over the queries with intervals, see :func:`poeem.evaluation.intervals.with_intervals`.
    Raises:
        ValueError: no query has an item with its label.

    >>> from poeem.evaluation.scorers import FloatScorer
    >>> items, labels = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), np.array([0, 1, 0])
    >>> found = class_metrics(FloatScorer(items, "ip"), np.array([[1.0, 0.1]]), np.array([0]), labels)
    >>> round(found["map@1000"], 4), found["precision@100"]
    (0.8333, 0.02)
    """
    judged = judged_queries(query_labels, item_labels)
    counts = np.array(
        [np.count_nonzero(item_labels == label) for label in range(int(query_labels.max(initial=-1)) + 1)]
    )
    if not len(judged):
        raise ValueError("no query has an item with its label, so that nothing can be judged; give labels of both")
    depth = None if curve else DEPTH
    parts: dict[str, list[np.ndarray]] = {f"map@{DEPTH}": [], f"precision@{PRECISION_AT}": []}
    curves = []
    for rows, hits in _hits(scorer, query_vectors, query_labels, item_labels, judged, depth=depth, seed=seed):
        parts[f"map@{DEPTH}"].append(average_precision(hits[:, :DEPTH]))
        parts[f"precision@{PRECISION_AT}"].append(hits[:, :PRECISION_AT].sum(1) / PRECISION_AT)
        if curve:
            curves.append(precision_recall_curve(hits, counts[query_labels[rows]], CURVE_RECALLS))
    block = with_intervals({name: np.concatenate(values) for name, values in parts.items()})
    if curve:
        precision = np.concatenate(curves).mean(0)
        block["curve"] = {"recall": CURVE_RECALLS.tolist(), "precision": precision.tolist()}
    return block


def judged_queries(query_labels: np.ndarray, item_labels: np.ndarray) -> np.ndarray:
    """Return the rows of the queries whose label some item has; -1 is no label.

    >>> judged_queries(np.array([-1, 0, 1]), np.array([-1, 1, 1]))
    array([2])
    """
    return np.flatnonzero((query_labels >= 0) & np.isin(query_labels, item_labels))


def _hits(
    scorer: Scorer,
    query_vectors: np.ndarray,
    query_labels: np.ndarray,
    item_labels: np.ndarray,
    queries: np.ndarray,
    *,
    depth: int | None,
    seed: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of queries, each with bool ``(b, depth)``: whether the item at each rank has the query's label."""
    order = np.random.default_rng(seed).permutation(len(item_labels))
    labels = item_labels[order]
    k = len(order) if depth is None else min(depth, len(order))
    for start in range(0, len(queries), _QUERY_ROWS):
        rows = queries[start : start + _QUERY_ROWS]
        scores = torch.from_numpy(scorer.scores(query_vectors[rows])[:, order])
        ranked = best_first(scores, k).numpy()
        yield rows, labels[ranked] == query_labels[rows, None]


def best_first(scores: torch.Tensor, k: int) -> torch.Tensor:
    """Return the columns of the ``k`` largest scores of each row ``(b, n)``, best first. Equal scores keep their order.

    >>> best_first(torch.tensor([[1.0, 3.0, 1.0, 3.0, 1.0]]), 3)
    tensor([[1, 3, 0]])
    """
    bits = scores.contiguous().view(torch.int32).long()
    # As integers, float32 numbers have the order of their values, negative ones the opposite.
    ordered = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    # The column makes all keys of a row different, so that topk has no choice.
    columns = torch.arange(scores.shape[1] - 1, -1, -1, device=scores.device)
    return (ordered * 2**31 + columns).topk(k, dim=1).indices

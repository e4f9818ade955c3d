"""Compute ranking metrics from the ranks of the relevant items; a table defines every reported metric."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from poeem.data.ragged import Ragged


class Metric(NamedTuple):
    """The definition of a reported figure. ``direction`` is ``"up"`` if larger is better, else ``"down"``."""

    name: str
    formula: str
    unit: str
    direction: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric("recall@10", "relevant items ranked 1 to 10 / relevant items, mean over queries", "0 to 1", "up"),
        Metric("recall@100", "relevant items ranked 1 to 100 / relevant items, mean over queries", "0 to 1", "up"),
        Metric("precision@100", "relevant items ranked 1 to 100 / 100, mean over queries", "0 to 1", "up"),
        Metric(
            "ndcg@10",
            "sum of 1 / log2(1 + rank) over relevant items ranked 1 to 10, "
            "/ the same sum over ranks 1 to min(10, relevant items), mean over queries",
            "0 to 1",
            "up",
        ),
        Metric("mrr@10", "1 / rank of the first relevant item, 0 past rank 10, mean over queries", "0 to 1", "up"),
        Metric(
            "neighbour_recall@10",
            "share of the 10 items nearest to the query by the model's float vectors that are among the scorer's "
            "own 10 best, nothing masked, mean over queries",
            "0 to 1",
            "up",
        ),
        Metric(
            "bytes_per_vector", "ceil(M * nbits / 8) + stored norms; list number and id not counted", "bytes", "down"
        ),
        Metric("build_seconds", "wall time to train the index on the item vectors and add them", "s", "down"),
    )
}


def mask_seen(scores: np.ndarray, history: Ragged, relevant: Ragged) -> np.ndarray:
    """Return scores with ``-inf`` at the items of each query's history, except at its relevant items.

    Args:
        scores: float, ``(b, n_items)``; not changed.
        history, relevant: item numbers, ``b`` rows.

    >>> seen, relevant = Ragged(np.array([0, 2]), np.array([0, 2])), Ragged(np.array([0, 1]), np.array([2]))
    >>> mask_seen(np.array([[0.1, 0.2, 0.3]]), seen, relevant)
    array([[-inf,  0.2,  0.3]])
    """
    masked = scores.copy()
    masked[history.row_of_value, history.values] = -np.inf
    rows = relevant.row_of_value
    masked[rows, relevant.values] = scores[rows, relevant.values]
    return masked


def expected_ranks(scores: np.ndarray, relevant: Ragged) -> np.ndarray:
    """Compute the rank of each relevant item, ``1 + #better + #equal / 2``: its mean rank over all orders of equal
    scores.

    Scores that differ by less than 2^-20 of the row's largest count as equal. Float32 products of equal vectors can
    differ by that much, depending on their place in the matrix, but items with equal codes must get equal ranks.

    Args:
        scores: float, ``(b, n_items)``, larger is better, ``-inf`` where an item cannot be returned.
        relevant: item numbers, ``b`` rows.
    Returns:
        float64, one for each value of ``relevant``, from 1; ``inf`` where the score is ``-inf``.
    Raises:
        ValueError: a score is NaN.

    >>> expected_ranks(np.array([[0.5, 0.9, 0.5, 0.5]]), Ragged(np.array([0, 2]), np.array([1, 3])))
    array([1., 3.])
    """
    # NaN would compare as "not better" and improve the ranks. The maximum is NaN if any score is.
    if scores.size and np.isnan(scores.max()):
        raise ValueError("scores hold NaN; look for NaN in the query or item vectors")
    rows = relevant.row_of_value
    targets = scores[rows, relevant.values]
    ranks = np.empty(len(targets))
    largest = np.abs(scores, where=np.isfinite(scores), out=np.zeros_like(scores)).max(1, initial=0)
    slack = (largest * 2.0**-20).astype(scores.dtype)[rows]
    # A few rows at a time, so that the comparisons stay in the cache.
    step = max(1, 2**18 // max(1, scores.shape[1]))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        others, target, near = scores[rows[part]], targets[part, None], slack[part, None]
        better = np.count_nonzero(others > target + near, axis=1)
        equal = np.count_nonzero(others >= target - near, axis=1) - better - 1
        ranks[part] = 1 + better + equal / 2
    ranks[np.isneginf(targets)] = np.inf
    return ranks


def ranking_metrics(ranks: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the ranking metrics of each query.

    Args:
        ranks: ranks of the relevant items, from 1, ``inf`` for a miss, ``(n_relevant,)``.
        offsets: int64, ``(nq + 1,)``; the ranks of query ``i`` are ``ranks[offsets[i]:offsets[i + 1]]``, at least one.
    Returns:
        float64 ``(nq,)`` by the names of `METRICS`.
    Raises:
        ValueError: a query has no relevant item.

    >>> values = ranking_metrics(np.array([2.0, 50.0]), np.array([0, 2]))
    >>> {name: round(float(value[0]), 3) for name, value in values.items()}
    {'recall@10': 0.5, 'recall@100': 1.0, 'precision@100': 0.02, 'ndcg@10': 0.387, 'mrr@10': 0.5}
    """
    n_relevant = np.diff(offsets)
    if np.any(n_relevant == 0):
        raise ValueError(f"query {int(np.argmin(n_relevant))} has no relevant item; leave such queries out")
    row = np.repeat(np.arange(len(n_relevant)), n_relevant)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(row, weights=values, minlength=len(n_relevant))

    hits_10, hits_100 = summed(ranks <= 10), summed(ranks <= 100)
    gains = summed(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0))
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, 12)))])[np.minimum(n_relevant, 10)]
    first = np.full(len(n_relevant), np.inf)
    np.minimum.at(first, row, ranks)
    return {
        "recall@10": hits_10 / n_relevant,
        "recall@100": hits_100 / n_relevant,
        "precision@100": hits_100 / 100,
        "ndcg@10": gains / ideal,
        "mrr@10": np.where(first <= 10, 1 / first, 0.0),
    }

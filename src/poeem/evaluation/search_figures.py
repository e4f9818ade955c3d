"""Figures of product search: recall of the item that was chosen, and the share of results of its category."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from poeem.data.ragged import Ragged
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.metrics import expected_ranks, ranking_metrics
from poeem.evaluation.recall import BLOCK_SCORES

P_GOOD = "p_good@100"
RESULTS = 100


def search_figures(
    scores_of: Callable[[np.ndarray], np.ndarray], targets: np.ndarray, categories: np.ndarray | None = None
) -> dict[str, Any]:
    """Compute the ranking metrics of product search and ``p_good@100``: means over queries, with intervals.

    Nothing is masked, because shoppers buy the same product again. ``p_good@100`` is the share of the results that have
    the category of the chosen item.

    Args:
        scores_of: from the numbers of some queries ``(b,)`` to scores of the catalogue ``(b, n_items)``, larger is
            better, ``-inf`` for an item that must not be returned.
        targets: int64, ``(nq,)``: the item that each query's user chose.
        categories: int64, ``(n_items,)``, -1 for none; without them there is no ``p_good@100``. Queries whose item has
            no category are left out of it.
    Returns:
        a block of :func:`~poeem.evaluation.intervals.with_intervals`.
    Raises:
        ValueError: there are no queries.

    >>> scores = np.array([[0.9, 0.5, 0.1], [0.9, -np.inf, -np.inf]])
    >>> block = search_figures(lambda rows: scores[rows], np.array([1, 2]), np.array([0, 0, 1]))
    >>> block["recall@10"], block["mrr@10"], round(block["p_good@100"], 3)
    (0.5, 0.25, 0.333)
    """
    if not len(targets):
        raise ValueError("targets is empty; there are no queries to evaluate")
    first = scores_of(np.arange(1))
    size = max(1, BLOCK_SCORES // first.shape[1])
    ranks, good = [], []
    for start in range(0, len(targets), size):
        rows = np.arange(start, min(start + size, len(targets)))
        scores = scores_of(rows)
        ranks.append(expected_ranks(scores, Ragged(np.arange(len(rows) + 1), targets[rows])))
        if categories is not None:
            good.append(category_share(scores, categories[targets[rows]], categories))
    values = ranking_metrics(np.concatenate(ranks), np.arange(len(targets) + 1))
    if categories is not None:
        shares = np.concatenate(good)
        if (~np.isnan(shares)).any():
            values[P_GOOD] = shares[~np.isnan(shares)]
    return with_intervals(values)


def category_share(scores: np.ndarray, wanted: np.ndarray, categories: np.ndarray, k: int = RESULTS) -> np.ndarray:
    """Compute the share of results of the wanted category among the k best items.

    Args:
        scores: float, ``(b, n_items)``; items at ``-inf`` are not returned.
        wanted: category of each query, ``(b,)``; -1 gives NaN.
        categories: of the items, ``(n_items,)``.
        k: number of results.
    Returns:
        float64, ``(b,)``; 0 if nothing is returned, NaN without a wanted category.
    """
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    returned = np.isfinite(np.take_along_axis(scores, best, axis=1))
    matching = (categories[best] == wanted[:, None]) & returned
    share = matching.sum(1) / returned.sum(1).clip(min=1)
    return np.where(wanted < 0, np.nan, share)

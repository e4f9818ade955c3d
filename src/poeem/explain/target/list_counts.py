"""Try several numbers of inverted lists: measure how many must be visited, and how many codes scanned, for a recall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from poeem.evaluation.scorers import pairwise_scores, prepared
from poeem.explain import refits
from poeem.explain.workload import Workload


@dataclass(frozen=True)
class ListCount:
    """A number of lists, fitted to the items by k-means.

    Args:
        nlist: number of lists.
        nprobe: lists to visit so that they hold the given fraction of the neighbours.
        compared: centroids and codes compared per query with this nprobe.
    """

    nlist: int
    nprobe: int
    compared: float


def try_list_counts(workload: Workload, share: float, seed: int = 0) -> list[ListCount]:
    """Try numbers of lists near the square root of the number of items, and the present number.

    Args:
        workload: items and queries, with exact neighbours.
        share: fraction of the neighbours that the visited lists must hold, 0 to 1.
        seed: seed of the k-means.
    Returns:
        a result for each number of lists, smallest first.
    """
    n = len(workload.items)
    root = 2 ** round(math.log2(math.sqrt(n)))
    numbers = sorted({root // 2, root, 2 * root, 4 * root, workload.bundle.spec.nlist} - {0, 1})
    return [_try_list_count(workload, nlist, share, seed) for nlist in numbers if nlist <= n // 8]


def _try_list_count(workload: Workload, nlist: int, share: float, seed: int) -> ListCount:
    metric, neighbours = workload.bundle.metric, workload.queries.neighbours
    rows = max(refits.FIT_ROWS, 32 * nlist)
    coarse, lists = refits.fit_lists(workload.prepared_items, nlist, metric, seed, rows=rows, iterations=10)
    queries = prepared(workload.queries.vectors, metric, "queries")
    order = np.argsort(-pairwise_scores(queries, coarse.numpy(), metric), axis=1)
    rank_of_list = np.empty_like(order)
    np.put_along_axis(rank_of_list, order, np.arange(nlist)[None], axis=1)
    assert neighbours is not None
    neighbour_ranks = np.take_along_axis(rank_of_list, lists[neighbours], axis=1)
    held = np.bincount(neighbour_ranks.ravel(), minlength=nlist).cumsum() / neighbour_ranks.size
    nprobe = int(np.searchsorted(held, min(share, held[-1]) - 1e-12)) + 1
    scanned = np.bincount(lists, minlength=nlist)[order[:, :nprobe]].sum(1).mean()
    return ListCount(nlist, nprobe, float(nlist + scanned))

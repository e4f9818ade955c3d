"""Queries a second of an engine on one thread."""

from __future__ import annotations

import time

import numpy as np

from poeem.baselines.baseline import Searchable


def queries_per_second(index: Searchable, queries: np.ndarray, k: int = 100, *, seconds: float = 1.0) -> float:
    """The best of several runs over a batch of queries, on one thread of faiss.

    A batch is what faiss is fastest with: figures of single queries are lower.

    Args:
        index: anything with faiss's ``search``.
        queries: float32, ``(nq, dim)``, of unit length under ``cosine``.
        k: results a query.
        seconds: how long to repeat; at least three runs are made of a batch cut to take about a third of it.
    """
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        few = queries[:16]
        index.search(few, k)  # what is only done once is not counted
        once = _seconds(index, few, k) / len(few)
        batch = queries[: max(16, min(len(queries), int(seconds / 3 / once)))]
        best, began = np.inf, time.perf_counter()
        runs = 0
        while runs < 3 or time.perf_counter() - began < seconds:
            best = min(best, _seconds(index, batch, k) / len(batch))
            runs += 1
    finally:
        faiss.omp_set_num_threads(before)
    return 1 / best


def _seconds(index: Searchable, queries: np.ndarray, k: int) -> float:
    start = time.perf_counter()
    index.search(queries, k)
    return time.perf_counter() - start

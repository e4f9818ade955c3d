"""Measure the queries per second of an engine on one thread."""

from __future__ import annotations

import time

import numpy as np

from poeem.baselines.baseline import Searchable


def queries_per_second(index: Searchable, queries: np.ndarray, k: int = 100, *, seconds: float = 1.0) -> float:
    """Return the queries per second of the fastest of several searches, each of a batch of queries, on one thread.

    faiss is fastest with batches. Single queries are slower.

    Args:
        index: any index with faiss's ``search``.
        queries: float32, ``(nq, dim)``, of unit length under ``cosine``.
        k: results per query.
        seconds: how long to repeat, at least three times. The batch is as large as takes about a third of this time.
    """
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        few = queries[:16]
        index.search(few, k)  # one-time work of the first search is not counted
        per_query = _seconds(index, few, k) / len(few)
        batch = queries[: max(16, min(len(queries), int(seconds / 3 / per_query)))]
        best, began = np.inf, time.perf_counter()
        searches = 0
        while searches < 3 or time.perf_counter() - began < seconds:
            best = min(best, _seconds(index, batch, k) / len(batch))
            searches += 1
    finally:
        faiss.omp_set_num_threads(threads)
    return 1 / best


def _seconds(index: Searchable, queries: np.ndarray, k: int) -> float:
    start = time.perf_counter()
    index.search(queries, k)
    return time.perf_counter() - start

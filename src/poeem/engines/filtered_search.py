"""Search of an engine among the items of a condition: k results where k items match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Search = Callable[[np.ndarray, int | None], tuple[np.ndarray, np.ndarray]]


def search_matching(
    search: Search, queries: Any, k: int, matching: int, *, nlist: int, nprobe: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Search among items that match a condition; with inverted lists, visit all where the nearest hold too few.

    The engine drops what does not match before it cuts the ranking to k: faiss by an id selector
    (``FaissSearcher.search(..., only=ids)``), Lance by a filter (``LanceSearcher.search(..., filter=sql)``).

    Args:
        search: called with queries and nprobe; returns scores and ids ``(nq, k)`` of matching items, id -1 or None
            where there is none.
        queries: ``(nq, dim)``.
        k: results per query.
        matching: number of items that match.
        nlist: inverted lists of the index, 0 for a flat one.
        nprobe: lists visited at first; None: the engine's own.
    Returns:
        scores and ids ``(nq, k)``; exactly ``min(k, matching)`` of each row are items.
    """
    queries = np.asarray(queries)
    scores, ids = search(queries, nprobe)
    few = np.flatnonzero(_found(ids) < min(k, matching))
    if len(few) and nlist:
        scores[few], ids[few] = search(queries[few], nlist)
    return scores, ids


def _found(ids: np.ndarray) -> np.ndarray:
    return np.array([[id is not None and id != -1 for id in row] for row in ids.tolist()]).sum(1)

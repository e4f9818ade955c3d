"""Search only among the items that match a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Search = Callable[[np.ndarray, int | None], tuple[np.ndarray, np.ndarray]]


def search_matching(
    search: Search, queries: Any, k: int, matching: int, *, nlist: int, nprobe: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best items that match a condition. If the visited lists hold too few of them, all lists are visited.

    ``search`` must leave out the other items before it cuts the ranking to k. In faiss an id selector does this
    (``FaissSearcher.search(..., only=ids)``), in Lance a filter (``LanceSearcher.search(..., filter=sql)``).

    Args:
        search: called with queries and nprobe; returns scores and ids of matching items, both ``(nq, k)``. The id of a
            missing result is -1 or None.
        queries: ``(nq, dim)``.
        k: results per query.
        matching: number of items that match.
        nlist: number of inverted lists; 0 for a flat index.
        nprobe: lists visited at first; None takes the engine's own number.
    Returns:
        scores and ids, both ``(nq, k)``, as ``search`` gives them; each row has ``min(k, matching)`` items if
        ``search`` finds all matching ones in the lists that it visits.
    """
    queries = np.asarray(queries)
    scores, ids = search(queries, nprobe)
    few = np.flatnonzero(_found(ids) < min(k, matching))
    if len(few) and nlist:
        scores[few], ids[few] = search(queries[few], nlist)
    return scores, ids


def _found(ids: np.ndarray) -> np.ndarray:
    return np.array([[id is not None and id != -1 for id in row] for row in ids.tolist()]).sum(1)

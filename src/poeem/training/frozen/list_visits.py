"""Which lists held-out queries visit, so that indexes are judged by as many codes scanned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Queries at a time: of tens of thousands of lists, all at once would take gigabytes.
QUERIES = 128


class Visits(NamedTuple):
    """The list of every item, and whether a query visits a list."""

    lists: np.ndarray  # (n,) integers
    visited: np.ndarray  # (nq, nlist) bool

    @classmethod
    def within(cls, scores: np.ndarray, lists: np.ndarray, codes: float) -> Visits:
        """Lists by falling score, until as many codes have been scanned; the last one is scanned to its end.

        Args:
            scores: float, ``(nq, nlist)``, of the centroids.
            lists: integers, ``(n,)``, of all items.
            codes: to scan for a query; so many that nprobe lists of the mean length hold them, for instance.

        >>> scores, lists = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]), np.array([0, 0, 1, 2])
        >>> Visits.within(scores, lists, codes=2).visited
        array([[ True, False, False],
               [False,  True,  True]])
        """
        lengths = np.bincount(lists, minlength=scores.shape[1])
        visited = np.zeros(scores.shape, dtype=bool)
        for start in range(0, len(scores), QUERIES):
            part = slice(start, start + QUERIES)
            order = np.argsort(-scores[part], axis=1)
            before = lengths[order].cumsum(1) - lengths[order]
            np.put_along_axis(visited[part], order, before < codes, axis=1)
        return cls(lists, visited)

"""Visits: the inverted lists that each query visits, chosen for a given number of scanned codes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Queries per block: with tens of thousands of lists, all queries at once would take gigabytes.
QUERIES = 128


class Visits(NamedTuple):
    """The list of every item, and for every query the lists that it visits."""

    lists: np.ndarray  # (n,) integers
    visited: np.ndarray  # (nq, nlist) bool

    @classmethod
    def within(cls, scores: np.ndarray, lists: np.ndarray, codes: float) -> Visits:
        """Choose the lists of the highest scores, until ``codes`` codes are scanned; the last list is scanned
        completely.

        Args:
            scores: float, ``(nq, nlist)``: scores of the centroids.
            lists: integers, ``(n,)``: list of every item.
            codes: codes to scan per query, for instance ``nprobe`` times the mean length of a list.
        Returns:
            the chosen lists.

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

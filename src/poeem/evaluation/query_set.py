"""Queries with their relevant items, seen items and exact neighbours."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from poeem.data.ragged import Ragged


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Query vectors with their answers, which are rows of the item vectors.

    Args:
        vectors: float, ``(nq, dim)``, before any query adapter.
        relevant: relevant items, ``nq`` rows, which may be empty; None without labels.
        seen: items that are masked for the ranking metrics, ``nq`` rows; None for none.
        self_rows: int64, ``(nq,)``: if items are used as queries, the item that each query is. It is never returned.
        neighbours: int64, ``(nq, k)``: the best items by exact scores, in any order.
    """

    vectors: np.ndarray
    relevant: Ragged | None = None
    seen: Ragged | None = None
    self_rows: np.ndarray | None = None
    neighbours: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def adapted(self, adapter: np.ndarray | None) -> QuerySet:
        """Return the same queries multiplied by a query adapter ``(dim, dim)``; None changes nothing."""
        return self if adapter is None else dataclasses.replace(self, vectors=self.vectors @ adapter)

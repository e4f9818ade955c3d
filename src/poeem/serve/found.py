"""Asked and Found: one search, as the engine's thread takes and answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Asked:
    """One search.

    Args:
        ways: what to search for: options of the run's recipe by name, or ``item``; empty if there are vectors.
        vectors: ``(n, dim)`` numbers; None if there is another way.
        k: results per query.
        nprobe: inverted lists visited; None: the version's.
        where: condition on the columns of the items, or None.
    """

    ways: dict[str, Any] = field(default_factory=dict)
    vectors: np.ndarray | None = None
    k: int = 10
    nprobe: int | None = None
    where: str | None = None

    def __len__(self) -> int:
        return 1 if self.vectors is None else len(self.vectors)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that errors may be about, what is searched for first."""
        return (*self.ways, *([] if self.vectors is None else ["vectors"]), "k", "nprobe", "where", "columns")

    @property
    def shared(self) -> Any:
        """Searches with equal values can be one call of the engine; None: this one is a call of its own."""
        return None if self.where is not None else (self.nprobe, tuple(self.ways))


@dataclass(frozen=True, eq=False)
class Found:
    """Results of one search, a list for each query, best first. There may be fewer than were asked for.

    Args:
        ids: ids of items.
        scores: their scores.
        revision: the version of the items that was searched.
        vectors: the vectors of the queries, ``(n, dim)``.
        left_out: ids that are no results.
    """

    ids: list[list[Any]]
    scores: list[list[float]]
    revision: int
    vectors: np.ndarray
    left_out: list[list[Any]]

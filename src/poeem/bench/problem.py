"""What is compared on: items, queries, and which items answer them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.data.ragged import Ragged
from poeem.data.split import Queries


@dataclass(frozen=True, eq=False)
class Problem:
    """Vectors as a frozen encoder left them. Methods are built on the items and the ``train_`` fields alone.

    Args:
        name: for titles.
        items: float, ``(n, dim)``, possibly mapped.
        queries: float, ``(nq, dim)``: those that are tested.
        relevant: rows of the relevant items of every query, at least one each; None where nobody has said.
        train_queries: float, ``(nt, dim)``, none of them among ``queries``; for methods that learn from queries.
        train_relevant: rows of the relevant items of every training query.
        warning: what a reader of the figures must know of the data.
        asked: who asks, where what they have seen is masked in the ranking; None: nothing is.
        available: bool, ``(n,)``: with ``asked``, items that may be found; the others are misses. None is all.
        trained: indexes that were trained together with a model of their own, by bytes per vector and lists.
    Raises:
        ValueError: shapes that do not fit.
    """

    name: str
    items: np.ndarray
    queries: np.ndarray
    relevant: Ragged | None = None
    train_queries: np.ndarray | None = None
    train_relevant: Ragged | None = None
    warning: str = ""
    asked: Queries | None = None
    available: np.ndarray | None = None
    trained: Mapping[tuple[int, int], Baseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, queries, relevant in (
            ("queries", self.queries, self.relevant),
            ("train_queries", self.train_queries, self.train_relevant),
        ):
            if queries is None:
                if relevant is not None:
                    raise ValueError("train_relevant goes with train_queries; give both")
                continue
            if queries.ndim != 2 or queries.shape[1] != self.items.shape[1]:
                raise ValueError(
                    f"{name} must be (n, {self.items.shape[1]}) as the items are, got {queries.shape}: both come from "
                    "one model"
                )
            _check_relevant(name, relevant, len(queries), len(self.items))

    @property
    def dim(self) -> int:
        """Width of items and queries."""
        return self.items.shape[1]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Name, sizes and checksums, as JSON values: equal for equal data."""
        trained = [[one.structure, _checksum(one.vectors and one.vectors[1])] for one in self.trained.values()]
        return {
            "name": self.name,
            "items": len(self.items),
            "dim": self.dim,
            "queries": len(self.queries),
            "train_queries": None if self.train_queries is None else len(self.train_queries),
            "checksums": {
                "items": _checksum(self.items),
                "queries": _checksum(self.queries),
                "relevant": _checksum(self.relevant),
                "train_queries": _checksum(self.train_queries),
                "train_relevant": _checksum(self.train_relevant),
            },
            "warning": self.warning,
            **({"trained": trained} if trained else {}),
        }


def _check_relevant(name: str, relevant: Ragged | None, nq: int, n: int) -> None:
    if relevant is None:
        return
    if len(relevant) != nq:
        raise ValueError(f"relevance must have a row for each of the {nq} {name}, got {len(relevant)}")
    if np.any(relevant.lengths == 0):
        raise ValueError(
            f"{name}: query {int(np.argmin(relevant.lengths))} has no relevant item; leave such queries out"
        )
    outside = relevant.values[(relevant.values < 0) | (relevant.values >= n)]
    if len(outside):
        first = int(outside[0])
        raise ValueError(f"relevance of {name} names item {first}, the items are 0 to {n - 1}; drop such pairs")


def _checksum(values: np.ndarray | Ragged | None) -> str | None:
    if values is None:
        return None
    if isinstance(values, Ragged):
        values = np.concatenate([values.offsets, values.values])
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def one_each(rows: np.ndarray) -> Ragged:
    """One relevant item for every query, ``(nq,)``, as rows of one.

    >>> one_each(np.array([7, 3]))[1].tolist()
    [3]
    """
    rows = np.asarray(rows, dtype=np.int64)
    return Ragged.from_lengths(np.ones(len(rows), dtype=np.int64), rows)

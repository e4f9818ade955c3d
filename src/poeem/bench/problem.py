"""The data of a benchmark: items, test queries and training queries, with their relevant items."""

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
    """Items and queries, as vectors of a fixed encoder. Methods may use only ``items`` and the ``train_`` fields.

    Args:
        name: name for titles.
        items: float, ``(n, dim)``, may be memory-mapped.
        queries: float, ``(nq, dim)``: the test queries.
        relevant: rows of the relevant items of each query, at least one each; None without labels.
        train_queries: float, ``(nt, dim)``, none of them among ``queries``; for methods that learn from queries.
        train_relevant: rows of the relevant items of each training query.
        warning: a limitation of the data, printed with the figures.
        run_queries: for a run: its test queries, with the items that each user has seen. These items are not returned.
            None: any item may be returned.
        available: for a run: bool, ``(n,)``, items that may be returned. Relevant items outside count as not found.
            None: all.
        joint_indexes: indexes trained together with a model of their own, by bytes per vector and number of lists.
    Raises:
        ValueError: the shapes do not fit together.
    """

    name: str
    items: np.ndarray
    queries: np.ndarray
    relevant: Ragged | None = None
    train_queries: np.ndarray | None = None
    train_relevant: Ragged | None = None
    warning: str = ""
    run_queries: Queries | None = None
    available: np.ndarray | None = None
    joint_indexes: Mapping[tuple[int, int], Baseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, queries, relevant in (
            ("queries", self.queries, self.relevant),
            ("train_queries", self.train_queries, self.train_relevant),
        ):
            if queries is None:
                if relevant is not None:
                    raise ValueError("train_relevant needs train_queries; give both")
                continue
            if queries.ndim != 2 or queries.shape[1] != self.items.shape[1]:
                raise ValueError(
                    f"{name} must be (n, {self.items.shape[1]}), as wide as the items, got {queries.shape}: both "
                    "must be by the same model"
                )
            _check_relevant(name, relevant, len(queries), len(self.items))

    @property
    def dim(self) -> int:
        """Width of items and queries."""
        return self.items.shape[1]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Name, sizes and checksums, as JSON values. Equal data have equal facts."""
        trained = [
            [joint.structure, _checksum(joint.vectors and joint.vectors[1])] for joint in self.joint_indexes.values()
        ]
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


def one_per_query(rows: np.ndarray) -> Ragged:
    """Return ``rows (nq,)`` as relevant items: one item for each query.

    >>> one_per_query(np.array([7, 3]))[1].tolist()
    [3]
    """
    rows = np.asarray(rows, dtype=np.int64)
    return Ragged.from_lengths(np.ones(len(rows), dtype=np.int64), rows)

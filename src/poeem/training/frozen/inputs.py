"""Checks of the inputs of a fit: item and query vectors, and relevant pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.data.ragged import Ragged
from poeem.training.frozen.query_split import MIN_HELD_OUT, UnseenQueries
from poeem.training.frozen.top_items import blocks


class UnitRows:
    """Rows of (possibly memory-mapped) vectors, scaled to unit length when they are read.

    >>> UnitRows(np.array([[3.0, 4.0]]))[[0]]
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors, self.shape = vectors, vectors.shape

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, rows: Any) -> np.ndarray:
        part = np.asarray(self._vectors[rows], dtype=np.float32)
        return part / np.linalg.norm(part, axis=-1, keepdims=True)


def checked_vectors(name: str, vectors: Any, metric: str, dim: int | None = None, like: str = "the items") -> Any:
    """Check vectors.

    Args:
        name: ``"items"`` or ``"queries"``, for messages.
        vectors: floats, an array (memory-mapped or not) or a tensor.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        dim: width that they must have; None: any.
        like: what else has that width, for messages.
    Returns:
        the vectors, ``(n, dim)``; under ``cosine`` as `UnitRows`, which scale rows to unit length when they are read.
    Raises:
        ValueError: not ``(n, dim)`` of numbers, no rows, NaN or infinity, or under ``cosine`` a zero vector.
    """
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().float().numpy()
    # np.asarray would turn a memory-mapped array into a plain one.
    vectors = vectors if isinstance(vectors, np.ndarray) else np.asarray(vectors)
    if vectors.dtype.kind not in "fiu" or vectors.ndim != 2 or not len(vectors):
        raise ValueError(
            f"{name} ({vectors.dtype}, shape {vectors.shape}) must be numbers of shape (n, dim) with n of 1 or more"
        )
    if dim is not None and vectors.shape[1] != dim:
        raise ValueError(
            f"{name} (dim={vectors.shape[1]}) must be as wide as {like} (dim={dim}): both come from one model"
        )
    start = 0
    for block in blocks(vectors):
        finite = np.isfinite(block).all(1)
        if not finite.all():
            raise ValueError(f"{name}: row {start + int(np.argmin(finite))} holds NaN or infinity; fix or drop it")
        if metric == "cosine" and not block.any(1).all():
            row = start + int(np.argmin(block.any(1)))
            raise ValueError(f"{name}: row {row} is zero, which has no direction under metric='cosine'; drop it")
        start += len(block)
    return UnitRows(vectors) if metric == "cosine" else vectors


def checked_relevance(pairs: Any, n_queries: int, n_items: int) -> Ragged:
    """Group pairs of row numbers into the relevant items of every query.

    Args:
        pairs: integers ``(p, 2)``: row of the query, row of the item; or two arrays ``(p,)``.
        n_queries, n_items: number of queries and items.
    Returns:
        rows of relevant items, one row per query.
    Raises:
        ValueError: another shape or type, a row that does not exist, or no pair at all.

    >>> checked_relevance([[1, 7], [1, 3]], n_queries=2, n_items=9)[1].tolist()
    [3, 7]
    """
    rows = np.asarray(pairs)
    if isinstance(pairs, tuple):
        rows = rows.T
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu" or not len(rows):
        raise ValueError(
            f"relevance ({rows.dtype}, shape {rows.shape}) must be integers of shape (pairs, 2): query row, item row"
        )
    for column, (name, stop) in enumerate((("query", n_queries), ("item", n_items))):
        wrong = (rows[:, column] < 0) | (rows[:, column] >= stop)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(
                f"relevance: pair {at} names {name} {rows[at, column]}, there are only 0 to {stop - 1}; "
                f"drop such pairs ({int(wrong.sum())} of them)"
            )
    # Sorted by query, without repeated pairs.
    rows = np.unique(rows.astype(np.int64), axis=0)
    return Ragged.from_lengths(np.bincount(rows[:, 0], minlength=n_queries), rows[:, 1])


def checked_unseen(vectors: Any, pairs: Any, metric: str, dim: int, n_items: int) -> UnseenQueries | None:
    """Check queries that judge a fit, with their labels.

    Args:
        vectors: float, ``(nq, dim)``; None: there are none.
        pairs: integers ``(p, 2)``: row of the query, row of the item; None: no labels.
        metric, dim: of the items.
        n_items: number of items.
    Returns:
        the queries with their labels, or None.
    Raises:
        ValueError: labels without queries, too few queries, or see ``checked_vectors`` and ``checked_relevance``.
    """
    if vectors is None:
        if pairs is not None:
            raise ValueError("unseen_relevance needs the queries whose rows it names; give unseen too")
        return None
    checked = checked_vectors("unseen", vectors, metric, dim)
    if len(checked) < MIN_HELD_OUT:
        raise ValueError(
            f"unseen (={len(checked)} queries) are too few to judge a fit; give at least {MIN_HELD_OUT}, or leave them "
            "out"
        )
    return UnseenQueries(checked, None if pairs is None else checked_relevance(pairs, len(checked), n_items))

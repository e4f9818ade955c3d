"""Check queries for an engine, and multiply them by the bundle's query adapter."""

from __future__ import annotations

from typing import Any

import numpy as np

# The id of an empty place in a result; no item has it.
MISSING = -1
# Positions in a result are 32-bit integers in the engines.
LARGEST_K = 2**31 - 1


def prepare_queries(queries: Any, dim: int, metric: str, adapter: np.ndarray | None = None) -> np.ndarray:
    """Check queries, multiply them by the query adapter, and return them as float32. They are not normalised.

    Args:
        queries: finite numbers, ``(nq, dim)``.
        dim: width of an embedding.
        metric: ``ip``, ``l2`` or ``cosine``.
        adapter: the bundle's ``query_adapter``, ``(dim, dim)``: queries become ``q @ adapter``. None changes nothing.
    Returns:
        float32, contiguous, ``(nq, dim)``.
    Raises:
        ValueError: wrong shape, NaN or infinite values, or a zero vector under ``cosine``.

    >>> prepare_queries([[1.0, 2.0]], dim=2, metric="ip", adapter=np.float32([[0, 1], [1, 0]]))
    array([[2., 1.]], dtype=float32)
    >>> prepare_queries([1.0, 2.0], dim=2, metric="ip")
    Traceback (most recent call last):
    ...
    ValueError: queries must have shape (nq, 2), not (2,); pass a single query as q[None]
    """
    queries = np.asarray(queries)
    if queries.dtype.kind not in "fiu":
        raise ValueError(f"queries must be numbers, not {queries.dtype}; pass a float32 array")
    if queries.ndim != 2 or queries.shape[1] != dim:
        fix = "pass a single query as q[None]" if queries.ndim == 1 else f"the index has dim={dim}"
        raise ValueError(f"queries must have shape (nq, {dim}), not {queries.shape}; {fix}")
    # What no float32 can hold becomes infinite, and is refused as such.
    with np.errstate(over="ignore", invalid="ignore"):
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if adapter is not None:
            queries = queries @ adapter
    if not _sound(queries):
        _refuse_rows(~np.isfinite(queries).all(1), "NaN or infinite values")
        if metric == "cosine":
            _refuse_rows(~queries.any(1), "a zero vector, which has no direction to compare by cosine")
    return queries


def check_k(k: int) -> int:
    """Return ``k``, the number of results per query, as an int; raise a ValueError unless it is from 1 to 2**31 - 1.

    >>> check_k(0)
    Traceback (most recent call last):
    ...
    ValueError: k (=0) must be a whole number of at least 1
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k (={k!r}) must be a whole number of at least 1")
    if k > LARGEST_K:
        raise ValueError(f"k (={k}) must be at most {LARGEST_K:,}")
    return int(k)


def any_missing(ids: np.ndarray) -> bool:
    """Return whether a query has fewer than k results, so that its row of ids ends in -1; ids are int64 ``(nq, k)``.

    >>> any_missing(np.array([[3, 7], [5, -1]])), any_missing(np.array([[3, 7]]))
    (True, False)
    """
    # Called by every search; a list of a few hundred is searched faster than an array.
    return ids.item(-1) == MISSING if len(ids) == 1 else MISSING in ids[:, -1].tolist()


@np.errstate(over="ignore")
def _sound(queries: np.ndarray) -> bool:
    """Whether all rows have positive, finite squares: then nothing is wrong, else the values have to be looked at."""
    if len(queries) == 1:
        # A server sends one query at a time: there every array operation counts.
        flat = queries.ravel()
        return 0.0 < float(flat.dot(flat)) < np.inf
    squares = np.einsum("nd,nd->n", queries, queries)
    return bool(squares.min(initial=1) > 0 and squares.max(initial=0) < np.inf)


def _refuse_rows(wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise ValueError(
            f"queries: row {int(np.argmax(wrong))} has {what} ({int(wrong.sum())} of {len(wrong)} rows); drop such rows"
        )

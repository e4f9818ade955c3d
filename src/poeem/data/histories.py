"""Make matrices of histories for the towers: the last items of each row, right-aligned."""

from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged

PADDING = -1


def history_rows(ragged: Ragged, rows: np.ndarray, length: int) -> np.ndarray:
    """Return the last values of the given rows, oldest first, right-aligned.

    Args:
        ragged: item numbers, one row per user or query.
        rows: int64, ``(B,)``, the rows to take.
        length: ``L``, how many values, at least 1.
    Returns:
        int64, ``(B, L)``; -1 for an empty place.
    Raises:
        ValueError: ``length`` is below 1 or a row does not exist.

    >>> ragged = Ragged(np.array([0, 3, 4]), np.array([5, 6, 7, 8]))
    >>> history_rows(ragged, np.array([1, 0]), 2)
    array([[-1,  8],
           [ 6,  7]])
    """
    rows = _checked_rows(ragged, rows)
    return history_before(ragged, rows, ragged.offsets[rows + 1], length)


def history_before(ragged: Ragged, rows: np.ndarray, stops: np.ndarray, length: int) -> np.ndarray:
    """Return the last values of each row before a given position: the history of the event at that position.

    Args:
        ragged: item numbers, one row per user.
        rows: int64, ``(B,)``, the rows to take.
        stops: int64, ``(B,)``, positions in ``ragged.values``, from the start of the row to its end; the value at the
            stop is left out, and the end gives the last values of the whole row.
        length: ``L``, how many values, at least 1.
    Returns:
        int64, ``(B, L)``, oldest first, right-aligned; -1 for an empty place.
    Raises:
        ValueError: ``length`` is below 1, a row does not exist, or a stop is before its row or past its end.

    >>> ragged = Ragged(np.array([0, 3, 4]), np.array([5, 6, 7, 8]))
    >>> history_before(ragged, np.array([0, 0]), np.array([2, 0]), 3)
    array([[-1,  5,  6],
           [-1, -1, -1]])
    """
    if length < 1:
        raise ValueError(f"length (={length}) must be at least 1")
    rows, stops = _checked_rows(ragged, rows), np.asarray(stops)
    starts = ragged.offsets[rows]
    if np.any((stops < starts) | (stops > ragged.offsets[rows + 1])):
        raise ValueError("stops must lie within their rows: offsets[row] <= stop <= offsets[row + 1]")
    positions = stops[:, None] - np.arange(length, 0, -1)
    inside = positions >= starts[:, None]
    history = np.full(positions.shape, PADDING, dtype=np.int64)
    history[inside] = ragged.values[positions[inside]]
    return history


def _checked_rows(ragged: Ragged, rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= len(ragged)):
        raise ValueError(f"rows must lie in 0..{len(ragged) - 1}; got {rows.min()}..{rows.max()}")
    return rows

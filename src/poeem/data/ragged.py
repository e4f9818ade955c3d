"""Ragged: rows of different lengths in one flat array, with offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``.

    Args:
        offsets: int64, ``(n_rows + 1,)``, from 0 to ``len(values)``, never decreasing.
        values: ``(n_values,)``.
    Raises:
        ValueError: the offsets do not divide the values into rows.

    >>> rows = Ragged(np.array([0, 2, 2, 3]), np.array([7, 8, 9]))
    >>> len(rows), rows[0].tolist(), rows[1].tolist(), rows.lengths.tolist()
    (3, [7, 8], [], [2, 0, 1])
    """

    offsets: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        offsets = self.offsets
        if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(self.values):
            raise ValueError(
                f"offsets must be one-dimensional, begin with 0 and end with the number of values "
                f"(={len(self.values)}); got shape {offsets.shape}"
            )
        if np.any(np.diff(offsets) < 0):
            raise ValueError("offsets must never decrease; sort the rows before counting them")

    @classmethod
    def from_lengths(cls, lengths: np.ndarray, values: np.ndarray) -> Ragged:
        """Make rows from their lengths ``(n_rows,)`` and all values in order."""
        return cls(offsets_of(lengths), values)

    @property
    def lengths(self) -> np.ndarray:
        """Length of every row, ``(n_rows,)``."""
        return np.diff(self.offsets)

    @property
    def row_of_value(self) -> np.ndarray:
        """The row that each value belongs to, ``(n_values,)``."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: np.ndarray) -> Ragged:
        """Return the given rows, in the given order.

        >>> Ragged(np.array([0, 2, 2, 3]), np.array([7, 8, 9])).take(np.array([2, 0])).values.tolist()
        [9, 7, 8]
        """
        rows = np.asarray(rows)
        lengths = self.lengths[rows]
        offsets = offsets_of(lengths)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Ragged(offsets, self.values[np.repeat(self.offsets[rows], lengths) + within])


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Return the bounds of rows from their lengths: a zero, then the cumulative sum; ``(n,)`` to int64 ``(n + 1,)``."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])

"""Source: items to encode, divided into parts that are read and encoded independently of each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

# Rows in memory at a time.
BLOCK_ROWS = 2**15


@dataclass(frozen=True)
class Part:
    """Rows of the input that become one output file.

    Args:
        number: of the part, from 0.
        file: number of the input file.
        first: number of its first row, counted over all input files.
        rows: number of rows.
        groups: the row groups of a Parquet file; empty for other files.
    """

    number: int
    file: int
    first: int
    rows: int
    groups: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the output file."""
        return f"part-{self.number:05d}.parquet"


class Source(Protocol):
    """Protocol of items to encode."""

    @property
    def identity(self) -> dict[str, Any]:
        """What shows later that the input has not changed, as JSON: sizes, times of change, checksums."""
        ...

    def parts(self, rows: int) -> list[Part]:
        """Divide the input into parts of at most ``rows`` rows (a row group of a Parquet file is never divided)."""
        ...

    def blocks(self, part: Part) -> Iterator[tuple[Any, np.ndarray]]:
        """Read a part: ids (arrow array or numpy array) and vectors float32 ``(n, dim)`` of a few rows at a time.

        Raises:
            ValueError: a row cannot be used; the message names file and row.
        """
        ...


def divided(total: int, rows: int) -> list[Part]:
    """Return parts of ``rows`` rows of one file."""
    starts = range(0, total, rows)
    return [Part(number, 0, first, min(rows, total - first)) for number, first in enumerate(starts)]


def block_slices(part: Part) -> Iterator[slice]:
    """Return slices of at most `BLOCK_ROWS` rows of a part."""
    end = part.first + part.rows
    for start in range(part.first, end, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, end))


def file_facts(path: Path) -> dict[str, Any]:
    """Return name, size and time of change of a file or folder."""
    facts = os.stat(path)
    return {"name": path.name, "bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}


def checked_floats(block: np.ndarray, where: str, first: int) -> np.ndarray:
    """Return a writable copy of rows in float32.

    Args:
        block: float ``(n, dim)``.
        where: begins the error text.
        first: number of the first row, for the error text.
    Raises:
        ValueError: a row holds NaN or infinity.
    """
    with np.errstate(over="ignore"):
        rows = np.array(block, dtype=np.float32, order="C")
    if not np.isfinite(rows).all():
        row = first + int(np.argmin(np.isfinite(rows).all(1)))
        raise ValueError(f"{where}: row {row} holds NaN or infinity in float32; fix or drop it")
    return rows

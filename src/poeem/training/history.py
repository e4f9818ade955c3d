"""History: figures of a training by step, kept for its report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from poeem.bundle.regular_file import open_to_write, read_file
from poeem.bundle.whole_file import write_text

HISTORY_FILE = "history.jsonl"
# Rows of the loss that a training writes, whatever its length.
ROWS = 200
_MOST_BYTES = 16 * 2**20

Row = dict[str, float]


class History:
    """Rows of figures, each with its ``step``.

    Args:
        file: JSON Lines that are appended to; None keeps the rows in memory.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self.rows = file, list[Row]()

    def begin(self, step: int) -> None:
        """Keep the rows up to a step from which a training begins or resumes. A damaged file is begun again."""
        with suppress(OSError, ValueError):
            self.rows = [] if self._file is None else read_history(self._file)
        self.rows = [row for row in self.rows if row["step"] <= step]
        if self._file is not None and self._file.exists():
            write_text(self._file, "".join(map(_line, self.rows)))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a row, and write it."""
        row = {"step": step, **{name: float(value) for name, value in figures.items()}}
        self.rows.append(row)
        if self._file is not None:
            with open(open_to_write(self._file), "r+b") as file:
                file.seek(0, 2)
                file.write(_line(row).encode())


def read_history(file: Path) -> list[Row]:
    """Read the rows of a file; empty if there is no file.

    Raises:
        ValueError: the file is damaged or larger than 16 MiB.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError("is larger than 16 MiB")
        return checked_rows([json.loads(line) for line in read_file(file).decode().splitlines()])
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: cannot be read ({error}); delete it") from None


def checked_rows(rows: Any) -> list[Row]:
    """Return rows that were stored as JSON.

    Raises:
        ValueError: they are no list of objects of numbers, each with a whole number ``step``.
    """
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise ValueError("a row is no object of numbers with a step")
    return rows


def curves_of(rows: Iterable[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return the points ``(step, value)`` of every figure.

    >>> curves_of([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}])
    {'loss': [(1, 2.0), (2, 1.5)]}
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name != "step":
                curves.setdefault(name, []).append((row["step"], value))
    return curves


def _is_row(row: Any) -> bool:
    numbers = isinstance(row, dict) and all(type(value) in (int, float) for value in row.values())
    return numbers and type(row.get("step")) is int


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"

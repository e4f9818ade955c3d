"""Print JSON documents and tables on stdout, and messages on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

# Characters of a number, or between a number and its interval, beside digits.
_NOT_DIGITS = str.maketrans("", "", ".-,±% ")
# Wider than any table: where stdout is no terminal, nothing wraps.
_UNLIMITED_WIDTH = 1_000_000


def say(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout. NaN and infinity, which JSON lacks, become null."""
    print(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout. Columns of numbers are right-aligned.

    On a terminal, cells wrap to its width. Elsewhere every row is one line, without spaces at its end.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(row[number].translate(_NOT_DIGITS).isdigit() or not row[number] for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*row)
    if sys.stdout.isatty():
        console = Console(highlight=False, markup=False)
        console.print(title, style="italic")
        console.print(table)
        return
    console = Console(width=_UNLIMITED_WIDTH, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    print("\n".join([title, *(line.rstrip() for line in capture.get().splitlines())]))

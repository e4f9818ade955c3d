"""What commands print: a document for programs, tables for people, complaints for both."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

# What stands in a number, or between a number and its spread, beside digits.
_NOT_DIGITS = str.maketrans("", "", ".-,±% ")


def say(line: str) -> None:
    """A line on stderr."""
    print(line, file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """One JSON document on stdout; what JSON has no number for (NaN in a user's column) is null."""
    print(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; columns that hold numbers are set flush right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(row[number].translate(_NOT_DIGITS).isdigit() or not row[number] for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*row)
    # Where nobody looks, no line is to be cut to the width of a terminal.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(table)

"""Tables from Parquet and CSV files, with every complaint naming the file and what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_SUFFIXES = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
EMPTY = "the file is empty; it needs at least a header and one row"


def read_table(
    path: str | os.PathLike[str],
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] | None = None,
    text_columns: tuple[str, ...] = (),
) -> pa.Table:
    """A table from a Parquet file (``.parquet``, ``.pq``) or a CSV file with a header (``.csv``, ``.tsv``, ``.gz``).

    Args:
        path: the file.
        required: columns that must be there.
        optional: columns to read besides, if they are there; default all.
        text_columns: columns of a CSV file that stay strings (``007`` stays ``007``); the type of others is inferred.
    Raises:
        ValueError: the file is missing, a folder, empty, of another kind, damaged, or lacks a column.
    """
    path = Path(path)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix not in (*PARQUET_SUFFIXES, *DELIMITERS):
        raise ValueError(f"{path}: the name must end in .parquet, .pq, .csv or .tsv, so that the format is known")
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: {EMPTY}")

    def choose(names: list[str]) -> list[str]:
        """The columns to read, of those that the file has."""
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"{path}: column {', '.join(repeated)} is there more than once; rename one of them")
        check_columns(names, required, f"{path}: ")
        return [name for name in names if optional is None or name in (*required, *optional)]

    if suffix in PARQUET_SUFFIXES:
        return _read_parquet(path, choose)
    return _read_csv(path, DELIMITERS[suffix], text_columns, choose)


def check_columns(found: list[str], required: tuple[str, ...], where: str = "") -> None:
    """Complains of missing columns with those found and how to rename."""
    missing = [name for name in required if name not in found]
    if missing:
        there = ", ".join(map(repr, found)) or "none"
        names = " and ".join(map(repr, missing))
        holds = "column that holds it" if len(missing) == 1 else "columns that hold them"
        raise ValueError(
            f"{where}column {names} is missing (found: {there}); rename the {holds} to {names}, in a CSV file in the "
            "header line"
        )


def _read_parquet(path: Path, choose: Callable[[list[str]], list[str]]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A single file: the dataset reader would add columns for folder names such as day=1.
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error
    columns = choose(names)
    try:
        return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error


def _read_csv(
    path: Path, delimiter: str, text_columns: tuple[str, ...], choose: Callable[[list[str]], list[str]]
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    # The reading proper complains of bad rows, with their numbers.
    skipping = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=lambda _row: "skip")

    def header() -> list[str]:
        with csv.open_csv(path, parse_options=skipping) as stream:
            return stream.schema.names

    def read(columns: list[str], use_threads: bool) -> pa.Table:
        # Types are inferred from the first block: where any are, it has to be the whole file, or a column of whole
        # numbers would be refused at its first fraction further down.
        block = None if set(columns) <= set(text_columns) else min(max(2**20, 16 * path.stat().st_size), 2**30)
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=use_threads, block_size=block),
            parse_options=parsing,
            convert_options=csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(text_columns, pa.string()),
                strings_can_be_null=False,
            ),
        )

    try:
        columns = choose(header())
        try:
            return read(columns, use_threads=True)
        except pa.ArrowInvalid:
            # Only one thread knows, and names, the row that is at fault.
            return read(columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: {_complaint(str(error))}") from error


def _complaint(pyarrow_says: str) -> str:
    if "Empty CSV file" in pyarrow_says:
        return EMPTY
    # One line, whatever the row at fault holds; and rows counted as everywhere else, without the header.
    what = " ".join(pyarrow_says.split())
    what = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - 1}", what)
    return f"cannot be read as CSV: {what}; values with a comma, quote or line break need quotes, text must be UTF-8"

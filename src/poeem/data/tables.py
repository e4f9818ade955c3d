"""Tables from Parquet and CSV files, with every complaint naming the file and what to do."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_SUFFIXES = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
EMPTY = "the file is empty; it needs at least a header and one row"


def read_table(path: str | os.PathLike[str], text_columns: tuple[str, ...] = ()) -> pa.Table:
    """A table from a Parquet file (``.parquet``, ``.pq``) or a CSV file with a header (``.csv``, ``.tsv``, ``.gz``).

    Args:
        path: the file.
        text_columns: columns of a CSV file that stay strings (``007`` stays ``007``); the type of others is inferred.
    Raises:
        ValueError: the file is missing, a folder, empty, of another kind, or damaged.
    """
    path = Path(path)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    if suffix not in (*PARQUET_SUFFIXES, *DELIMITERS):
        raise ValueError(f"{path}: the name must end in .parquet, .pq, .csv or .tsv, so that the format is known")
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: {EMPTY}")
    table = _read_parquet(path) if suffix in PARQUET_SUFFIXES else _read_csv(path, DELIMITERS[suffix], text_columns)
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path}: column {', '.join(repeated)} is there more than once; rename one of them")
    return table


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A single file: the dataset reader would add columns for folder names such as day=1.
        return pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error


def _read_csv(path: Path, delimiter: str, text_columns: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    def read(use_threads: bool) -> pa.Table:
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(use_threads=use_threads),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(text_columns, pa.string()), strings_can_be_null=False
            ),
        )

    try:
        return read(use_threads=True)
    except (pa.ArrowException, OSError) as error:
        try:
            # Only one thread knows, and names, the row that is at fault.
            return read(use_threads=False)
        except (pa.ArrowException, OSError) as located:
            raise ValueError(f"{path}: {_complaint(str(located))}") from error


def _complaint(pyarrow_says: str) -> str:
    if "Empty CSV file" in pyarrow_says:
        return EMPTY
    # One line, whatever the row at fault holds; and rows counted as everywhere else, without the header.
    what = " ".join(pyarrow_says.split())
    what = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - 1}", what)
    return f"cannot be read as CSV: {what}; values with a comma, quote or line break need quotes, text must be UTF-8"

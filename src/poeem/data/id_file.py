"""Read id files: text with one id per line, or a table with a column ``id`` and further columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from poeem.data.columns import read_ids
from poeem.data.delimited import DELIMITERS
from poeem.data.tables import PARQUET_SUFFIXES, missing_file, read_table

if TYPE_CHECKING:
    import pyarrow as pa

ID = "id"


def read_id_file(path: str | Path, *, string_ids: bool) -> pa.Table:
    """Read a file of ids.

    Args:
        path: Parquet or CSV with a column ``id``; or ``.txt`` with one id per line, without spaces at its ends.
        string_ids: whether ids are strings; otherwise text is read as integers.
    Returns:
        a table whose first column is ``id``. It may hold an id twice.
    Raises:
        ValueError: the file cannot be read or does not have the column, or an id is missing or not an integer. The
            message counts rows from 1.
    """
    import pyarrow as pa

    path = Path(path)
    if path.suffix.lower() == ".txt":
        table = pa.table({ID: _lines(path)})
    elif {*PARQUET_SUFFIXES, *DELIMITERS} & set(path.suffixes):
        table = read_table(path, required=(ID,), text_columns=(ID,))
    else:
        raise ValueError(f"{path}: the name must end in .txt (an id per line), .parquet, .csv or .tsv")
    if table.num_rows == 0:
        raise ValueError(f"{path}: holds no ids; at least one is needed")
    try:
        ids = read_ids(table[ID], ID)
        if not string_ids and not pa.types.is_integer(ids.type):
            ids = _as_integers(ids)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return table.drop_columns([ID]).add_column(0, ID, ids) if table.num_columns > 1 else pa.table({ID: ids})


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{path}: {missing_file(path)}")
    try:
        # utf-8-sig drops a byte order mark. Only a line feed ends a line, because ids may hold other separators.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text ({error}); write an id per line") from None
    return [line.strip() for line in (lines if lines[-1] else lines[:-1])]


def _as_integers(ids: pa.Array) -> pa.Array:
    import pyarrow as pa

    numbers = []
    for row, text in enumerate(ids.to_pylist(), start=1):
        # `int` would read 1_000 as a thousand.
        if not re.fullmatch("[+-]?[0-9]{1,30}", text.strip()):
            raise ValueError(f"row {row}: id (={text!r}) must be an integer, as ids of the bundle are")
        numbers.append(int(text))
    try:
        return pa.array(numbers, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        raise ValueError("an id does not fit a signed 64-bit integer, as ids of the bundle are") from None

"""Read interactions from Parquet, CSV or JSON Lines files. The usual column names are recognised."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from poeem.data.column_names import ITEM, RATING, TIMESTAMP, TITLE, USER, describe_columns, item_columns, match_columns
from poeem.data.file_format import DEFAULT_FORMAT, FileFormat
from poeem.data.interactions import Interactions, Log, interactions_from_table, logger, with_item_table
from poeem.data.tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_COLUMNS = (USER, ITEM, TIMESTAMP, TITLE, RATING)


def read_interactions(
    path: str | os.PathLike[str],
    items: str | os.PathLike[str] | None = None,
    format: FileFormat = DEFAULT_FORMAT,
    *,
    log: Log = logger.info,
) -> Interactions:
    """Read interactions from a file, a folder of parts, or a glob.

    The columns are those that the format names. Otherwise usual names are recognised (``user_id``, ``item_id``, ``ts``;
    see :mod:`poeem.data.column_names`), and one line to ``log`` says which. Without a time column, rows are in the
    order of time. Ids may be integers or text; in a CSV file they stay text (``007`` is not ``7``). Rows that are equal
    in user, item and time count once.

    Every row is a positive event, whatever its rating. With a ``min_rating`` in the format, rows with a lower rating
    are dropped. A title column becomes the item table (the first title of each item). Other columns are not read.

    Args:
        path: Parquet, CSV or JSON Lines, see :func:`~poeem.data.tables.read_table`.
        items: a second file with an item column, best also titles, and any others. Items without an event are left
            out.
        format: column names, delimiter, header, encoding and minimum rating.
        log: takes the line about columns.
    Returns:
        the interactions.
    Raises:
        ValueError: a file cannot be read, a column is missing, an id, time or rating is missing or unreadable (the
            message names the row, counted from 1 without the header), there is no row, or the item file has an item
            twice or none of the items.
    """
    lines = []

    def choose(names: list[str]) -> dict[str, str]:
        matched = match_columns(names, format)
        lines.append(describe_columns(matched, format))
        return {column: ours for ours, column in matched.items() if ours != RATING or format.min_rating is not None}

    try:
        table = read_table(path, text_columns=TEXT_COLUMNS, format=format, choose=choose)
        events = interactions_from_table(table, min_rating=format.min_rating)
    except ValueError as error:
        raise _with_path(path, error) from error
    # Every part reports its columns; equal lines are logged once.
    for line in dict.fromkeys(filter(None, lines)):
        log(line)
    if items is None:
        return events
    try:
        return with_item_table(events, read_item_table(items, format))
    except ValueError as error:
        raise _with_path(items, error) from error


def read_item_table(path: str | os.PathLike[str], format: FileFormat = DEFAULT_FORMAT) -> pa.Table:
    """Read all columns of an item file. The id and title columns are renamed to ``item`` and ``title``.

    Args:
        path: Parquet, CSV with a header, or JSON Lines.
        format: format of the interactions. If a column that it names is not in the item file, it is recognised by its
            usual names.
    Returns:
        the table.
    """
    return read_table(
        path,
        text_columns=(ITEM, TITLE),
        format=replace(format, header=True),
        choose=lambda names: item_columns(names, format),
    )


def _with_path(path: str | os.PathLike[str], error: ValueError) -> ValueError:
    text = str(error)
    return error if text.startswith(str(Path(path))) else ValueError(f"{Path(path)}: {text}")

"""Search events from files: Parquet, CSV or JSON Lines, and an item table beside them."""

from __future__ import annotations

import os
from pathlib import Path

from poeem.data.column_names import ITEM, TIMESTAMP, TITLE, USER, describe_columns, match_columns
from poeem.data.events.search_events import EVENT, QUERY, SearchEvents
from poeem.data.file_format import DEFAULT_FORMAT, FileFormat
from poeem.data.interactions import Log, logger
from poeem.data.read_interactions import read_item_table
from poeem.data.tables import check_columns, read_table


def read_events(
    path: str | os.PathLike[str],
    items: str | os.PathLike[str] | None = None,
    format: FileFormat = DEFAULT_FORMAT,
    *,
    log: Log = logger.info,
) -> SearchEvents:
    """Read search events from a file, a folder of parts, or a glob.

    Users, items and times are recognised by their usual names, as in
    :func:`~poeem.data.read_interactions.read_interactions`. The columns of queries and of kinds of events must be named
    ``query`` and ``event``; ``event`` may be missing. Other columns are not read.

    Args:
        path: Parquet, CSV or JSON Lines, see :func:`~poeem.data.tables.read_table`.
        items: a second file with an item column, best also titles, and attributes.
        format: column names, delimiter, header and encoding.
        log: takes one line on the columns that are used, if they do not have our names.
    Returns:
        the events.
    Raises:
        ValueError: a file cannot be read, or as :meth:`SearchEvents.from_table`; the message names the file.
    """
    lines: list[str | None] = []

    def choose(names: list[str]) -> dict[str, str]:
        check_columns(names, (QUERY,))
        matched = {
            ours: column
            for ours, column in match_columns(names, format).items()
            if ours in (USER, ITEM, TIMESTAMP) and column not in (QUERY, EVENT)
        }
        lines.append(describe_columns(matched, format))
        return {column: ours for ours, column in matched.items()} | {
            name: name for name in (QUERY, EVENT) if name in names
        }

    try:
        table = read_table(path, text_columns=(USER, ITEM, TIMESTAMP, QUERY, EVENT), format=format, choose=choose)
        for line in dict.fromkeys(filter(None, lines)):
            log(line)
        if items is None:
            return SearchEvents.from_table(table)
    except ValueError as error:
        raise _with_path(path, error) from error
    try:
        listed = read_item_table(items, format)
        check_columns(listed.column_names, (TITLE,))
    except ValueError as error:
        raise _with_path(items, error) from error
    try:
        return SearchEvents.from_table(table, listed)
    except ValueError as error:
        raise _with_path(items if "item file" in str(error) or "occurs" in str(error) else path, error) from error


def _with_path(path: str | os.PathLike[str], error: ValueError) -> ValueError:
    text = str(error)
    return error if text.startswith(str(Path(path))) else ValueError(f"{Path(path)}: {text}")

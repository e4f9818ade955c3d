"""A file of items that a training knows, by their ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poeem.data.columns import read_ids
from poeem.data.tables import read_table
from poeem.training.id_lookup import Lookup


def read_item_numbers(path: Path, item_ids: np.ndarray) -> np.ndarray:
    """Read the numbers of a file's items, for ``poeem encode``.

    Args:
        path: a table with a column ``item`` of ids of the training.
        item_ids: ids by item number, ``(n_items,)``.
    Returns:
        int64, ``(n,)``.
    Raises:
        ValueError: the column is missing, there is no row, or an id is unknown or given twice.
    """
    table = read_table(path, text_columns=("item",))
    if "item" not in table.column_names:
        columns = ", ".join(map(repr, table.column_names))
        raise ValueError(f"{path}: column 'item' is missing (found: {columns}); rename the column that holds the ids")
    try:
        known = Lookup(item_ids, "item")
        numbers = known.numbers_of(read_ids(table["item"], "item").to_pylist())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(numbers) == 0:
        raise ValueError(f"{path}: there are no rows; at least one item is needed")
    distinct, counts = np.unique(numbers, return_counts=True)
    if len(distinct) < len(numbers):
        repeated = item_ids[distinct[counts > 1][0]]
        raise ValueError(f"{path}: ids must be unique: {repeated!r} is there more than once; keep one row per item")
    return numbers

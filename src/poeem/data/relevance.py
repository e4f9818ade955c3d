"""Read relevant pairs of query and item from a file with one pair per row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.data.tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa

PAIR = ("query", "item")


def read_pairs(path: str | Path) -> np.ndarray:
    """Read the row numbers of query and item of every pair.

    Args:
        path: Parquet or CSV with columns ``query`` and ``item``: row numbers, from 0. If there is a column ``weight``,
            pairs of weight 0 or less are left out.
    Returns:
        int64, ``(p, 2)``, in the order of the file. Whether the rows exist is not checked.
    Raises:
        ValueError: the file is missing or damaged, does not have the columns, holds row numbers that are not whole or
            weights that are not numbers, or has no pair.
    """
    table = read_table(Path(path), required=("query", "item"), optional=("weight",))
    pairs = np.stack([_numbers(path, table, name, "iu", "row numbers (whole, from 0)") for name in PAIR], axis=1)
    if "weight" in table.column_names:
        weights = _numbers(path, table, "weight", "iuf", "numbers")
        pairs = pairs[weights > 0]
    if not len(pairs):
        which = " of weight above 0" if table.num_rows else ""
        raise ValueError(f"{path}: holds no pair{which}; at least one is needed")
    return pairs.astype(np.int64)


def _numbers(path: str | Path, table: pa.Table, name: str, kinds: str, expected: str) -> np.ndarray:
    """A column of one of numpy's ``kinds``, without missing values; an error names the row, counted from 1."""
    column = table[name].combine_chunks()
    empty = np.asarray(column.is_null(nan_is_null=True)) if len(column) else np.zeros(0, bool)
    if empty.any():
        row = int(np.argmax(empty))
        raise ValueError(f"{path}: column {name!r} is empty or NaN in row {row + 1}; fix the row or drop it")
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in kinds and len(values):
        raise ValueError(f"{path}: column {name!r} must hold {expected}, not {column.type}")
    return values

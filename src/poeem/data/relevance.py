"""Which item answers which query, from a file with a row for every pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poeem.data.tables import read_table


def read_pairs(path: str | Path) -> np.ndarray:
    """Row numbers of query and item, int64 ``(p, 2)``, in the order of the file.

    Args:
        path: Parquet or CSV with the columns ``query`` and ``item``, whole numbers: rows of the queries and of the
            items. Pairs whose ``weight``, if there is that column, is 0 or less are left out.
    Raises:
        ValueError: the file is missing, damaged, lacks the columns, or holds other than whole numbers.
    """
    table = read_table(Path(path), required=("query", "item"), optional=("weight",))
    columns = [table[name].to_numpy() for name in ("query", "item")]
    for name, values in zip(("query", "item"), columns):
        if values.dtype.kind not in "iu":
            raise ValueError(f"{path}: column {name!r} must hold row numbers (whole, from 0), not {table[name].type}")
    pairs = np.stack(columns, axis=1).astype(np.int64)
    return pairs[table["weight"].to_numpy() > 0] if "weight" in table.column_names else pairs

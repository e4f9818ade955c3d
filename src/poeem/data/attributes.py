"""Attributes of items as numbers: the columns of an item table that are embedded, and the category."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poeem.data.column_names import TITLE
from poeem.data.tables import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

# By default an attribute needs so many items per value: a column of names or sizes of their own says little.
ITEMS_PER_VALUE = 5
CATEGORY_NAMES = ("category", "product_category", "item_category")


def attribute_names(table: pa.Table, given: str | None) -> list[str]:
    """The columns to embed: those given, with commas, or the text columns that have few values.

    Raises:
        ValueError: a given column is not there.

    >>> import pyarrow as pa
    >>> table = pa.table({"title": ["t"] * 10, "brand": ["A", "B"] * 5, "code": [str(i) for i in range(10)]})
    >>> attribute_names(table, None)
    ['brand']
    """
    import pyarrow as pa

    if given is not None:
        names = [name.strip() for name in given.split(",") if name.strip()]
        check_columns(table.column_names, tuple(names), "attributes: ")
        return names
    texts = [
        name
        for name in table.column_names
        if name != TITLE and (pa.types.is_string(table[name].type) or pa.types.is_dictionary(table[name].type))
    ]
    return [name for name in texts if 2 <= len(table[name].unique()) <= table.num_rows / ITEMS_PER_VALUE]


def value_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers of a column's values, by their order as text: int64 ``(n,)``, -1 where a value is missing.

    >>> import pyarrow as pa
    >>> value_numbers(pa.chunked_array([["b", "a", None, "b"]]))
    array([ 1,  0, -1,  1])
    """
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    number = {text: place for place, text in enumerate(sorted({text for text in texts if text is not None}))}
    return np.array([-1 if text is None else number[text] for text in texts], dtype=np.int64)


def category_numbers(table: pa.Table, given: str | None) -> np.ndarray | None:
    """Numbers of the items' categories; None if no column is given and none has a usual name.

    Raises:
        ValueError: the given column is not there.
    """
    if given is not None:
        check_columns(table.column_names, (given,), "category: ")
        return value_numbers(table[given])
    for name in CATEGORY_NAMES:
        if name in table.column_names:
            return value_numbers(table[name])
    return None

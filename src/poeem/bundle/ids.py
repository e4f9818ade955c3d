"""Check the users' ids of items: 64-bit integers or strings, no id twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def ids_to_arrow(ids: Any) -> pa.Array:
    """Return ids in the type in which they are stored: an arrow array of int64 or of strings.

    Args:
        ids: numpy array, list or arrow array of integers or of strings.
    Raises:
        ValueError: there are no ids, their type is another one or mixed, one is missing, given twice, or the integer
            -1.

    >>> ids_to_arrow(["b", "a"]).type
    DataType(string)
    """
    import pyarrow as pa

    try:
        # A chunked column of a table is accepted too.
        if isinstance(ids, pa.ChunkedArray):
            array = ids.combine_chunks()
        else:
            # A copy: arrow would otherwise share the caller's memory.
            array = pa.array(ids.copy() if isinstance(ids, np.ndarray) else ids)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError) as error:
        raise ValueError(f"ids must be all integers or all strings, one per item: {error}") from None
    if not len(array):
        raise ValueError("ids are empty; a bundle needs at least one item")
    if pa.types.is_integer(array.type):
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise ValueError(f"ids must fit a signed 64-bit integer: {error}; pass them as strings") from None
    elif pa.types.is_large_string(array.type) or pa.types.is_string(array.type):
        array = array.cast(pa.string())
    else:
        raise ValueError(f"ids must be integers or strings, not {array.type}; convert them first")
    check_ids(array)
    return array


def check_ids(array: pa.Array) -> None:
    """Raise a ValueError if an id is missing, is given twice, or is -1, which means "no result" in engines."""
    import pyarrow as pa

    if array.null_count:
        raise ValueError(f"ids have {array.null_count} missing values; give every item an id or drop it")
    if pa.types.is_integer(array.type):
        values = array.to_numpy()
        # Ids that rise need no hash table; most catalogues' do.
        rising = bool((values[1:] > values[:-1]).all())
        distinct = len(values) if rising else len(array.unique())
        if (values == -1).any():
            raise ValueError("ids hold -1, which engines return for an empty place; renumber that item")
    else:
        distinct = len(array.unique())
    if distinct < len(array):
        counts = array.value_counts()
        twice = counts[int(np.argmax(counts.field("counts").to_numpy() > 1))]["values"].as_py()
        raise ValueError(
            f"ids must be unique: {twice!r} is there more than once ({len(array) - distinct} rows too many); "
            "keep one row per item"
        )

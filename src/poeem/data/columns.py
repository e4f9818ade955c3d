# pyarrow.compute makes its functions at run time, where pyright cannot see them.
# pyright: reportAttributeAccessIssue=false
"""Read columns of a table as arrays: ids (int64 or strings), times and numbers. Errors name the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def read_ids(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Read a column of ids.

    Whole floats become int64, because pandas turns integers into floats if a value is missing. UUIDs, categories,
    dates, booleans and decimals become strings.

    Args:
        column: a column of a table.
        name: its name, for messages.
    Returns:
        an Arrow array of int64 or of strings, none missing.
    Raises:
        ValueError: an id is missing (null, NaN or an empty string), is a fraction, or is of a type without a text form;
            the message names the row, counted from 1 without the header.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = _plain_array(column, name)
    if pa.types.is_floating(ids.type):
        values = ids.to_numpy()
        _refuse_first(name, np.isnan(values), "is NaN")
        # Above 2^53 neighbouring integers share a float: two ids may have become one.
        unsafe = (values != np.floor(values)) | (np.abs(values) > 2**53)
        _refuse_first(name, unsafe, "is not a whole number that a float holds exactly", values, "store ids as text")
        return pa.array(values.astype(np.int64))
    if pa.types.is_integer(ids.type):
        if pa.types.is_uint64(ids.type) and pc.max(ids).as_py() is not None and pc.max(ids).as_py() >= 2**63:
            return ids.cast(pa.string())
        return ids.cast(pa.int64())
    try:
        ids = ids.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{name}: ids of type {column.type} cannot be used; store them as integers or text") from error
    # numpy, pandas and CSV files turn a missing id into one of these texts. As an id, it would join all such rows.
    missing = pc.is_in(ids, value_set=pa.array(["", "nan", "NaN"]))
    if pc.any(missing).as_py():
        row = pc.index(missing, True).as_py()
        _refuse_row(name, row, f"is missing ({ids[row].as_py()!r})")
    return ids


def read_times(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Read a column of times. Dates and datetimes are counted in their own unit from 1970.

    Text (as in every CSV file) may hold whole numbers, numbers, or ISO 8601 datetimes (counted in ns); one column must
    hold one kind.

    Args:
        column: a column of a table.
        name: its name, for messages.
    Returns:
        int64, or float64 if there are fractions, ``(n,)``.
    Raises:
        ValueError: a time is missing, not a finite number, or unreadable; the message names the row, counted from 1
            without the header.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    times = _plain_array(column, name)
    if pa.types.is_string(times.type) or pa.types.is_large_string(times.type):
        times = _parsed_times(pc.utf8_trim_whitespace(times), name)
    if pa.types.is_date(times.type) or pa.types.is_timestamp(times.type):
        bits = pa.int32() if pa.types.is_date32(times.type) else pa.int64()
        return times.cast(bits).to_numpy().astype(np.int64)
    if pa.types.is_integer(times.type) and not pa.types.is_uint64(times.type):
        return times.cast(pa.int64()).to_numpy()
    if pa.types.is_floating(times.type) or pa.types.is_decimal(times.type) or pa.types.is_uint64(times.type):
        values = times.cast(pa.float64(), safe=False).to_numpy()
        _refuse_first(name, ~np.isfinite(values), "is not a finite number", values)
        return values
    raise ValueError(f"{name}: times of type {column.type} cannot be ordered; store numbers or datetimes")


def read_numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Read a column of numbers. Text is converted.

    Args:
        column: a column of a table.
        name: its name, for messages.
    Returns:
        float64, ``(n,)``.
    Raises:
        ValueError: a value is missing, not a finite number, or unreadable; the message names the row, counted from 1
            without the header.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = _plain_array(column, name)
    if pa.types.is_string(numbers.type) or pa.types.is_large_string(numbers.type):
        numbers = pc.utf8_trim_whitespace(numbers)
        if not _reads_as(numbers, pa.float64()):
            row = _first_unreadable(numbers, (pa.float64(),))
            _refuse_row(name, row, f"(={numbers[row].as_py()!r}) is not a number")
    try:
        values = numbers.cast(pa.float64(), safe=False).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{name}: values of type {column.type} are not numbers; store them as numbers") from error
    _refuse_first(name, ~np.isfinite(values), "is not a finite number", values)
    return values


def _plain_array(column: pa.ChunkedArray, name: str) -> pa.Array:
    """One contiguous array without missing values, dictionary (category), view or extension (UUID) types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # combine_chunks returns it if there are no chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if isinstance(array.type, pa.UuidType):
        array = pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    if array.null_count:
        _refuse_row(name, pc.index(pc.is_null(array), True).as_py(), "is missing")
    return array


def _parsed_times(text: pa.Array, name: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = (pa.int64(), pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC"))
    for kind in kinds:
        try:
            return pc.cast(text, kind)
        except pa.ArrowInvalid:
            continue
    row = _first_unreadable(text, kinds)
    fix = "write numbers or ISO 8601 datetimes, one kind; or give time_column='none' to go by the order of the rows"
    _refuse_row(name, row, f"(={text[row].as_py()!r}) cannot be read as time", fix)
    raise AssertionError("unreachable")


def _first_unreadable(text: pa.Array, kinds: tuple[Any, ...]) -> int:
    """The first row that cannot be read as any of the kinds, by bisection: each step casts half of the rest."""

    def first(kind: pa.DataType) -> int:
        low, high = 0, len(text)  # text[:low] reads, text[:high] does not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _reads_as(text[low:middle], kind) else (low, middle)
        return low

    return max(first(kind) for kind in kinds)


def _reads_as(text: pa.Array, kind: pa.DataType) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(text, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _refuse_first(name: str, bad: np.ndarray, what: str, values: np.ndarray | None = None, fix: str = "") -> None:
    if bad.any():
        row = int(bad.argmax())
        _refuse_row(name, row, what if values is None else f"(={values[row]}) {what}", fix)


def _refuse_row(name: str, row: int, what: str, fix: str = "") -> None:
    raise ValueError(f"row {row + 1}: {name} {what}; {fix or 'fill it in, or drop the row'}")

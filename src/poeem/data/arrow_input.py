"""Convert tables of other libraries to Arrow tables: pandas, polars, pyarrow, Hugging Face datasets, dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def as_arrow_table(data: Any) -> pa.Table:
    """Convert a table to an Arrow table with the same rows. Nothing is copied where the library allows it.

    Args:
        data: a pyarrow table or record batch, a pandas or polars DataFrame, anything with ``__arrow_c_stream__``, a
            Hugging Face ``Dataset`` (in its present order and selection), or a mapping of column names to values.
    Returns:
        the Arrow table.
    Raises:
        ValueError: ``data`` is none of these, or a Hugging Face ``DatasetDict``.

    >>> as_arrow_table({"user": [1, 2], "item": ["a", "b"]}).column_names
    ['user', 'item']
    """
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if hasattr(data, "with_format"):  # Hugging Face
        if not hasattr(data, "features"):
            raise ValueError(f"{type(data).__name__} holds several splits; pass one of them, such as data['train']")
        # `data.data.table` would have the rows from before a filter, a selection or a shuffle.
        return data.with_format("arrow")[:]
    try:
        return _without_views(pa.table(data))
    except (TypeError, pa.ArrowException) as error:
        raise ValueError(
            f"a table of type {type(data).__name__} cannot be used ({' '.join(str(error).split())}); pass a DataFrame, "
            "a pyarrow table, a Hugging Face Dataset or a dictionary of columns"
        ) from error


def _without_views(table: pa.Table) -> pa.Table:
    """The table with plain strings. polars returns string views, from which Arrow cannot take rows."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.string()))
    return table

"""The rows of a bundle in memory, to which changes are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.changes import Change, CodedRows
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import Items, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from poeem.bundle.bundle import Bundle


class Catalogue:
    """The rows of a bundle, to which changes can be applied.

    A replaced row stays in its slot, a deleted row leaves its slot empty, an added row gets the next slot. So the order
    of the rows depends on the changes alone, and all readers of a log have the same rows.

    Args:
        bundle: the bundle whose rows come first.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._ids: list[Any] = bundle.ids.tolist()
        self._slots = {one: slot for slot, one in enumerate(self._ids)}
        self._codes = bundle.codes.copy()
        self._lists = None if bundle.lists is None else bundle.lists.copy()
        self._live = np.ones(len(self._ids), dtype=bool)
        # One table for every change that added rows; they are joined when the rows are read.
        self._columns = None if bundle.columns is None else [_with_gaps_allowed(bundle.columns)]

    @property
    def schema(self) -> pa.Schema | None:
        """Arrow schema of the user's columns; None if there are none."""
        return None if self._columns is None else self._columns[0].schema

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, one: Any) -> bool:
        return one in self._slots

    def check(self, change: Change) -> None:
        """Raise an error if a change cannot be applied. This method changes nothing.

        Raises:
            ValueError: an id to delete or replace is unknown, an id to add exists, or no row would be left.
        """
        deleted = set(change.deleted)
        for one in (*change.deleted, *(change.replaced.ids if change.replaced else ())):
            if one not in self._slots:
                raise ValueError(f"ids: {one!r} is not among the {len(self):,} items")
        for one in change.added.ids if change.added else ():
            if one in self._slots and one not in deleted:
                raise ValueError(f"ids: {one!r} is there already")
        if len(self) - len(deleted) + len(change.added or ()) < 1:
            raise ValueError("ids: no item would be left, and a bundle needs at least one; add others first")

    def apply(self, change: Change) -> None:
        """Apply a change that `check` has accepted."""
        for one in change.deleted:
            self._live[self._slots.pop(one)] = False
        if change.replaced:
            self._put([self._slots[one] for one in change.replaced.ids], change.replaced)
        if change.added:
            first = len(self._ids)
            self._append_columns(change.added, first)
            self._reserve(first + len(change.added))
            self._ids += change.added.ids
            self._slots |= zip(change.added.ids, range(first, len(self._ids)))
            self._live[first : len(self._ids)] = True
            self._put(slice(first, len(self._ids)), change.added)

    def items(self) -> Items:
        """Return the present rows, in the order of their slots."""
        stop = len(self._ids)
        rows = np.flatnonzero(self._live[:stop])
        return Items(
            ids=ids_to_arrow([self._ids[row] for row in rows.tolist()]),
            codes=self._codes[rows],
            lists=None if self._lists is None else self._lists[rows],
            columns=self._taken(rows),
        )

    def _taken(self, rows: np.ndarray) -> pa.Table | None:
        import pyarrow as pa

        if self._columns is None:
            return None
        self._columns = [pa.concat_tables(self._columns)]
        return self._columns[0].take(rows)

    def _append_columns(self, added: CodedRows, slots: int) -> None:
        """Append the user's columns of new rows; the first columns of all give the earlier rows nulls."""
        if added.columns is None:
            return
        if self._columns is None:
            self._columns = [_nulls(added.columns.schema, slots)]
        self._columns.append(added.columns)

    def _put(self, slots: list[int] | slice, rows: CodedRows) -> None:
        self._codes[slots] = rows.codes
        if self._lists is not None and rows.lists is not None:
            self._lists[slots] = rows.lists

    def _reserve(self, rows: int) -> None:
        """Room for so many rows; by doubling, so that a million single additions copy each row twice at most."""
        if rows <= len(self._live):
            return
        room = max(rows, 2 * len(self._live)) - len(self._live)
        self._live = np.concatenate([self._live, np.zeros(room, dtype=bool)])
        self._codes = np.concatenate([self._codes, np.zeros((room, self._codes.shape[1]), np.uint8)])
        if self._lists is not None:
            self._lists = np.concatenate([self._lists, np.zeros(room, np.int32)])


def matching_columns(columns: pa.Table | None, schema: pa.Schema | None, rows: int) -> pa.Table | None:
    """Return the user's columns of new rows in the schema of the catalogue.

    Args:
        columns: the columns of the new rows; None means nulls.
        schema: the schema of the catalogue's columns. With None any columns are accepted, and earlier rows get nulls.
        rows: number of new rows.
    Returns:
        table of ``rows`` rows that allows nulls; None if both ``columns`` and ``schema`` are None.
    Raises:
        ValueError: names or types differ from the catalogue's, or the number of rows is not ``rows``.
    """
    import pyarrow as pa

    given = check_columns(columns, rows)
    if schema is None:
        return None if given is None else _with_gaps_allowed(given)
    if given is None:
        return _nulls(schema, rows)
    if set(given.column_names) != set(schema.names):
        raise ValueError(f"columns are {given.column_names}, the bundle's {schema.names}; give the same ones")
    try:
        return given.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(f"columns do not have the bundle's types: {error}; convert them first") from None


def _with_gaps_allowed(columns: pa.Table) -> pa.Table:
    import pyarrow as pa

    return columns.cast(pa.schema([one.with_nullable(True) for one in columns.schema]))


def _nulls(schema: pa.Schema, rows: int) -> pa.Table:
    import pyarrow as pa

    return pa.table([pa.nulls(rows, one.type) for one in schema], schema=schema)

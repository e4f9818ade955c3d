# pyarrow.compute makes its functions at run time, where pyright cannot see them.
# pyright: reportAttributeAccessIssue=false
"""SearchEvents: a log of what users searched for and which items they then chose, in order of user and time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.column_names import ITEM, TIMESTAMP, TITLE, USER
from poeem.data.columns import read_ids, read_times
from poeem.data.ragged import Ragged, offsets_of
from poeem.data.tables import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

QUERY, EVENT = "query", "event"
# Number of the query of an event that came without a search.
NO_QUERY = -1


@dataclass(frozen=True, eq=False)
class SearchEvents:
    """Events as numbers, sorted by user and then time. Events of equal time keep the order of the file. Equal rows
    count once if there are times.

    Args:
        user, query, item, kind: int64, ``(n,)``, numbers of the ids and names below; ``query`` is -1 where there was no
            search.
        timestamp: int64 or float64, ``(n,)``.
        user_ids, item_ids: distinct ids, ascending.
        queries, kinds: distinct texts and kinds of events, ascending.
        item_table: one row per item: ``title`` (never null) and further columns.
    """

    user: np.ndarray
    timestamp: np.ndarray
    query: np.ndarray
    item: np.ndarray
    kind: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    queries: list[str]
    kinds: list[str]
    item_table: pa.Table

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.item_ids)

    @property
    def titles(self) -> list[str]:
        """Title of every item; empty if it has none."""
        return self.item_table[TITLE].to_pylist()

    @cached_property
    def offsets(self) -> np.ndarray:
        """Bounds of the users' events, int64 ``(n_users + 1,)``: user ``u`` has ``offsets[u]:offsets[u + 1]``."""
        return offsets_of(np.bincount(self.user, minlength=len(self.user_ids)))

    @property
    def items(self) -> Ragged:
        """Item numbers, one row per user."""
        return Ragged(self.offsets, self.item)

    @cached_property
    def known_before(self) -> np.ndarray:
        """For each event, the position of the first event of its user and time, int64 ``(n,)``: earlier events were
        known then.

        Other products of the same basket, or clicks of the same moment, were not.
        """
        new = np.ones(len(self), dtype=bool)
        new[1:] = (self.user[1:] != self.user[:-1]) | (self.timestamp[1:] != self.timestamp[:-1])
        return np.maximum.accumulate(np.where(new, np.arange(len(self)), 0))

    @classmethod
    def from_table(cls, table: pa.Table, items: pa.Table | None = None) -> SearchEvents:
        """Make events from an Arrow table with the columns ``user``, ``timestamp``, ``query``, ``item`` and, if there,
        ``event``.

        Args:
            table: events; ``query`` may be null or empty: an event without a search. Spaces at the ends of a query are
                removed. Without ``timestamp`` rows are in the order of time.
            items: ``item``, best also ``title``, and any further columns. Its items without an event are part of the
                catalogue.
        Raises:
            ValueError: a column is missing, an id or time is missing or unreadable, no event has a query, or an item
                occurs twice in ``items``.
        """
        check_columns(table.column_names, (USER, QUERY, ITEM))
        if table.num_rows == 0:
            raise ValueError("there are no rows; at least one event is needed")
        user_ids, user = _numbered(read_ids(table[USER], USER))
        queries, query = _numbered_queries(table[QUERY])
        kinds, kind = ["event"], np.zeros(table.num_rows, dtype=np.int64)
        if EVENT in table.column_names:
            names, kind = _numbered(read_ids(table[EVENT], EVENT))
            kinds = [str(name) for name in names]
        item_ids, item, item_table = _catalogue(read_ids(table[ITEM], ITEM), items)
        times = TIMESTAMP in table.column_names
        time = read_times(table[TIMESTAMP], TIMESTAMP) if times else np.arange(table.num_rows, dtype=np.int64)
        columns = [user, time, query, item, kind]
        # lexsort is stable: equal (user, time) stay in the order of the file.
        order = np.lexsort((time, user))
        if times:
            order = order[_first_occurrences([column[order] for column in columns])]
        user, time, query, item, kind = (column[order] for column in columns)
        return cls(user, time, query, item, kind, user_ids, item_ids, queries, kinds, item_table)


def _numbered_queries(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """Distinct queries, spaces at their ends removed, and the number of each row's; -1 for null and empty ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_null(column.type)):
        raise ValueError(f"query: values of type {column.type} are not text; store queries as text")
    texts = pc.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    if texts.null_count == len(texts):
        raise ValueError("query: no event has a query; for events without searches use --interactions")
    distinct = sorted(set(texts.to_pylist()) - {None})
    numbers = pc.index_in(texts, value_set=pa.array(distinct, pa.string()))
    return distinct, numbers.fill_null(NO_QUERY).to_numpy(zero_copy_only=False).astype(np.int64)


def _catalogue(event_items: pa.Array, items: pa.Table | None) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Distinct item ids, ascending, the number of each event's item, and the item table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if items is None:
        item_ids, item = _numbered(event_items)
        return item_ids, item, pa.table({TITLE: pa.array([""] * len(item_ids))})
    check_columns(items.column_names, (ITEM,))
    listed = read_ids(items[ITEM], ITEM)
    if listed.type != event_items.type:  # ids of a CSV file are text
        listed, event_items = listed.cast(pa.string()), event_items.cast(pa.string())
    if len(pc.unique(listed)) < len(listed):
        counts = pc.value_counts(listed)
        repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0]
        raise ValueError(f"item {repeated.as_py()!r} occurs more than once; keep one row per item")
    if not pc.any(pc.is_in(event_items, value_set=listed)).as_py():
        raise ValueError(
            "none of the events' items is in the item file (the events have "
            f"{event_items[0].as_py()!r}); use the same ids in both files"
        )
    item_ids, numbers = _numbered(pa.concat_arrays([event_items, listed]))
    table = items.drop_columns([ITEM]).take(pc.index_in(pa.array(item_ids, listed.type), value_set=listed))
    if TITLE in table.column_names:
        titles = table[TITLE].cast(pa.string()).fill_null("")
        table = table.set_column(table.column_names.index(TITLE), TITLE, titles)
    else:
        table = table.append_column(TITLE, pa.array([""] * table.num_rows))
    return item_ids, numbers[: len(event_items)], table


def _numbered(ids: pa.Array) -> tuple[Any, np.ndarray]:
    values, numbers = np.unique(ids.to_numpy(zero_copy_only=False), return_inverse=True)
    return values, numbers


def _first_occurrences(columns: list[np.ndarray]) -> np.ndarray:
    """bool, ``(n,)``: whether no earlier row is equal."""
    order = np.lexsort(columns[::-1])
    same = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in columns])
    first = np.ones(len(order), dtype=bool)
    first[order[1:][same]] = False
    return first

# pyarrow.compute makes its functions at run time, where pyright cannot see them.
# pyright: reportAttributeAccessIssue=false
"""Interactions: events of users with items in the order of time, with numbered ids, from columns or tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.arrow_input import as_arrow_table
from poeem.data.column_names import ITEM, RATING, TIMESTAMP, TITLE, USER, describe_columns, item_columns, match_columns
from poeem.data.columns import read_ids, read_numbers, read_times
from poeem.data.file_format import DEFAULT_FORMAT, FileFormat
from poeem.data.ragged import offsets_of
from poeem.data.tables import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

# Prints or logs one line.
Log = Callable[[str], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events of users with items, sorted by user and then time. Exact duplicates are dropped, and every event is
    positive.

    Users and items are numbered in the order of their ids; the order of the file's rows does not matter.

    Args:
        user: int64 user numbers, ``(n,)``, never decreasing.
        item: int64 item numbers, ``(n,)``.
        timestamp: int64 or float64, ``(n,)``, in the unit of the file; without times, the row of the file.
        user_ids: ids as in the file, int64 or ``object`` of ``str``, ``(n_users,)``, ascending.
        item_ids: the same for items, ``(n_items,)``: the catalogue is every item of the file.
        item_table: one row per item, in the order of ``item_ids``: ``title`` and other columns, null if unknown.
    """

    user: np.ndarray
    item: np.ndarray
    timestamp: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    item_table: pa.Table | None = None

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.item_ids)

    @property
    def offsets(self) -> np.ndarray:
        """Bounds of the users' events, int64 ``(n_users + 1,)``: user ``u`` has ``offsets[u]:offsets[u + 1]``."""
        return offsets_of(np.bincount(self.user, minlength=self.n_users))

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def from_columns(
        cls, *, user: Sequence[Any], item: Sequence[Any], timestamp: Sequence[Any] | None = None
    ) -> Interactions:
        """Make interactions from sequences of equal length.

        Args:
            user, item: ids, ``(n,)``.
            timestamp: times, ``(n,)``; None: rows are in the order of time.
        Raises:
            ValueError: the lengths differ.

        >>> events = Interactions.from_columns(user=[7, 5, 7, 7], item=["b", "a", "a", "b"], timestamp=[2, 0, 1, 2])
        >>> events.user_ids.tolist(), events.user.tolist(), events.item.tolist()  # the event (7, b, 2) is there twice
        ([5, 7], [0, 1, 1], [0, 0, 1])
        """
        import pyarrow as pa

        columns = {USER: user, ITEM: item} | ({} if timestamp is None else {TIMESTAMP: timestamp})
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must be of one length, got {lengths}; give one value per event in each")
        return interactions_from_table(pa.table({name: pa.array(values) for name, values in columns.items()}))

    @classmethod
    def from_table(
        cls, data: Any, items: Any = None, format: FileFormat = DEFAULT_FORMAT, *, log: Log = logger.info
    ) -> Interactions:
        """Make interactions from a DataFrame (pandas, polars), a pyarrow table, a Hugging Face ``Dataset``, or a
        dictionary of columns.

        Args:
            data: the events, with columns that :func:`~poeem.data.read_interactions.read_interactions` recognises.
            items: a second table with an item column, best also titles, and any other columns.
            format: column names and minimum rating.
            log: called with one line on the columns that are used, if they do not have our names.
        Raises:
            ValueError: the errors of :func:`~poeem.data.read_interactions.read_interactions`.

        >>> events = Interactions.from_table({"user_id": [1, 1], "movieId": ["a", "b"], "ts": [2, 1]})
        >>> events.item_ids[events.item].tolist()
        ['b', 'a']
        """
        table = as_arrow_table(data)
        matched = match_columns(table.column_names, format)
        if (line := describe_columns(matched, format)) is not None:
            log(line)
        table = table.select(list(matched.values())).rename_columns(list(matched))
        events = interactions_from_table(table, min_rating=format.min_rating)
        if items is None:
            return events
        item_table = as_arrow_table(items)
        names = item_columns(item_table.column_names, format)
        return with_item_table(events, item_table.rename_columns(list(names.values())))


def interactions_from_table(table: pa.Table, *, min_rating: float | None = None) -> Interactions:
    """Make interactions from an Arrow table with our own column names.

    Args:
        table: the events, with columns ``user``, ``item`` and, if known, ``timestamp``, ``rating`` and ``title``.
        min_rating: rows whose ``rating`` is lower are dropped.
    Raises:
        ValueError: the errors of :func:`~poeem.data.read_interactions.read_interactions`.
    """
    check_columns(table.column_names, (USER, ITEM))
    if table.num_rows == 0:
        raise ValueError("there are no rows; at least one event is needed")
    user_id, item_id = read_ids(table[USER], USER), read_ids(table[ITEM], ITEM)
    has_time = TIMESTAMP in table.column_names
    time = read_times(table[TIMESTAMP], TIMESTAMP) if has_time else np.arange(table.num_rows, dtype=np.int64)
    if min_rating is not None:
        # Filtered after the checks of the columns: row numbers in error messages count all rows.
        rows = _rated_rows(table, min_rating)
        user_id, item_id, table, time = user_id.take(rows), item_id.take(rows), table.take(rows), time[rows.to_numpy()]
    user_ids, user = _number(user_id)
    item_ids, item = _number(item_id)
    # lexsort is stable: equal (user, time) stay in the order of the file.
    order = np.lexsort((time, user))
    order = order[_first_occurrences(user[order], time[order] if has_time else None, item[order])]
    return Interactions(
        user=user[order],
        item=item[order],
        timestamp=time[order],
        user_ids=user_ids,
        item_ids=item_ids,
        item_table=_first_titles(table, item) if TITLE in table.column_names else None,
    )


def _rated_rows(table: pa.Table, min_rating: float) -> pa.Array:
    import pyarrow as pa

    if RATING not in table.column_names:
        listed = ", ".join(map(repr, table.column_names))
        raise ValueError(
            f"min_rating (={min_rating:g}) needs a column of ratings, and none was recognised (columns: {listed}); "
            "name it with rating_column='NAME'"
        )
    ratings = read_numbers(table[RATING], RATING)
    rows = np.flatnonzero(ratings >= min_rating)
    if not len(rows):
        raise ValueError(f"min_rating (={min_rating:g}) leaves no row; the highest rating is {ratings.max():g}")
    return pa.array(rows)


def with_item_table(events: Interactions, table: pa.Table) -> Interactions:
    """Return the same events with another item table, joined by its column ``item``.

    Raises:
        ValueError: the column ``item`` is missing, an id occurs twice, or none of the events' items is in the table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    check_columns(table.column_names, (ITEM,))
    ids, event_ids = read_ids(table[ITEM], ITEM), pa.array(events.item_ids)
    if ids.type != event_ids.type:  # ids of a CSV file are text
        ids, event_ids = ids.cast(pa.string()), event_ids.cast(pa.string())
    counts = pc.value_counts(ids)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise ValueError(f"item {repeated[0].as_py()!r} occurs more than once; keep one row per item")
    rows = pc.index_in(event_ids, value_set=ids)
    if rows.null_count == len(rows):
        raise ValueError(
            f"none of the {len(rows)} items of the interactions is in the item file (they look like "
            f"{event_ids[0].as_py()!r}, here like {ids[0].as_py()!r}); use the same ids in both files"
            if len(ids)
            else "there are no rows; leave the item file out, or fill it"
        )
    item_table = table.drop_columns([ITEM]).take(rows)
    return Interactions(events.user, events.item, events.timestamp, events.user_ids, events.item_ids, item_table)


def _number(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ids, ascending, and for each row the number of its id among them."""
    import pyarrow.compute as pc

    encoded = ids.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    # A copy: Arrow's memory is read-only, and torch.from_numpy would warn about that.
    distinct = np.array(encoded.dictionary.take(order).to_numpy(zero_copy_only=False))
    return distinct, rank[encoded.indices.to_numpy()]


def _first_occurrences(user: np.ndarray, time: np.ndarray | None, item: np.ndarray) -> np.ndarray:
    """bool, ``(n,)``: whether no earlier row has the same user, time and item (without times: user and item)."""
    columns = (user, item) if time is None else (user, time, item)
    order = np.lexsort(columns[::-1])
    same = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in columns])
    first = np.ones(len(user), dtype=bool)
    first[order[1:][same]] = False
    return first


def _first_titles(table: pa.Table, item: np.ndarray) -> pa.Table:
    """The first title of every item; an empty or missing one only where the item has no other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    titles = table[TITLE].combine_chunks()
    known = pc.is_valid(titles).to_numpy(zero_copy_only=False)
    if pa.types.is_string(titles.type) or pa.types.is_large_string(titles.type):
        known &= pc.not_equal(titles, "").fill_null(False).to_numpy(zero_copy_only=False)
    rows = np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)])
    _, first = np.unique(item[rows], return_index=True)
    return pa.table({TITLE: titles.take(pa.array(rows[first]))})

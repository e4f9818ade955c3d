"""Changes of a bundle's rows (delete, replace, add), and their bytes in the log."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Numbers of deleted, replaced and added rows; bytes of the ids and of the user's columns.
_HEAD = struct.Struct("<IIIQQ")


@dataclass(frozen=True, eq=False)
class CodedRows:
    """Items with their codes.

    Args:
        ids: integers or strings.
        codes: uint8 codeword numbers, ``(n, M)``.
        lists: int32 inverted list of each item, ``(n,)``; None for a flat spec.
        columns: the user's columns, n rows; None if there are none.
    """

    ids: list[Any]
    codes: np.ndarray
    lists: np.ndarray | None
    columns: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: list[int], columns: pa.Table | None = None) -> CodedRows:
        """Return the rows at these places, with other columns."""
        lists = None if self.lists is None else self.lists[places]
        return CodedRows([self.ids[place] for place in places], self.codes[places], lists, columns)


@dataclass(frozen=True, eq=False)
class Change:
    """Rows to delete, to replace and to add, in this order. A change is applied as a whole or not at all.

    Args:
        deleted: ids. A deleted id may be added again in the same change.
        replaced: items with new codes; None if there are none.
        added: new items; None if there are none.
    """

    deleted: list[Any] = field(default_factory=list)
    replaced: CodedRows | None = None
    added: CodedRows | None = None

    def to_bytes(self) -> bytes:
        """Return the bytes of this change in the log.

        They are a head, ids (int64, or JSON for strings), codes, lists and columns (Arrow IPC).
        """
        rows = [part for part in (self.replaced, self.added) if part is not None]
        ids = [*self.deleted, *(one for part in rows for one in part.ids)]
        if isinstance(ids[0], str):
            id_bytes = json.dumps(ids, ensure_ascii=False, separators=(",", ":")).encode()
        else:
            id_bytes = np.array(ids, dtype="<i8").tobytes()
        columns = b"" if self.added is None or self.added.columns is None else _table_to_bytes(self.added.columns)
        head = _HEAD.pack(
            len(self.deleted), len(self.replaced or ()), len(self.added or ()), len(id_bytes), len(columns)
        )
        codes = b"".join(np.ascontiguousarray(part.codes, np.uint8).tobytes() for part in rows)
        lists = b"".join(part.lists.astype("<i4").tobytes() for part in rows if part.lists is not None)
        return b"".join((head, id_bytes, codes, lists, columns))

    @classmethod
    def from_bytes(cls, data: bytes, *, M: int, has_lists: bool, string_ids: bool) -> Change:
        """Read a change from the bytes of `to_bytes`, for a bundle of this M, with or without lists and string ids.

        Raises:
            ValueError: the bytes are damaged, or belong to a bundle of another kind.
        """
        try:
            deleted, replaced, added, id_size, columns = _HEAD.unpack_from(data)
            rows, at = replaced + added, _HEAD.size
            if len(data) != at + id_size + rows * (M + 4 * has_lists) + columns:
                raise ValueError("its length is wrong")
            text = data[at : at + id_size]
            ids = json.loads(text) if string_ids else np.frombuffer(text, "<i8").tolist()
            if len(ids) != deleted + rows:
                raise ValueError("its ids are not as many as its rows")
            at += id_size
            codes = np.frombuffer(data, np.uint8, rows * M, at).reshape(rows, M)
            at += rows * M
            lists = np.frombuffer(data, "<i4", rows, at).astype(np.int32) if has_lists else None
            table = _table_from_bytes(data[len(data) - columns :]) if columns else None
        except (struct.error, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None

        def part(first: int, stop: int, columns: pa.Table | None = None) -> CodedRows | None:
            if first == stop:
                return None
            some = None if lists is None else lists[first:stop]
            return CodedRows(ids[deleted + first : deleted + stop], codes[first:stop], some, columns)

        return cls(ids[:deleted], part(0, replaced), part(replaced, rows, table))


def _table_to_bytes(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _table_from_bytes(data: bytes) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(data).read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"its columns cannot be read ({error})") from None

"""The map between the integers in a faiss file and the users' string ids, and its Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.int64_ids import int64_ids
from poeem.bundle.parquet_file import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

# Keys of the file's metadata: the trained index, and the rows (`items_sha256` of the report).
_FINGERPRINT, _VERSION = b"poeem.fingerprint", b"poeem.version"


class IdMap:
    """A map between string ids and integers.

    Args:
        ids: the string ids, object ``(n,)``.
        numbers: their integers, int64 ``(n,)``; with None they are computed by `int64_ids`.
    Raises:
        ValueError: two ids have the same integer.
    """

    def __init__(self, ids: np.ndarray, numbers: np.ndarray | None = None) -> None:
        self.ids = ids
        self.numbers = int64_ids(ids) if numbers is None else numbers
        order = np.argsort(self.numbers, kind="stable")
        self._sorted, self._ids = self.numbers[order], ids[order]
        #: Items that were added later.
        self._added: dict[int, str] = {}

    def strings(self, numbers: np.ndarray) -> np.ndarray:
        """Return the string ids of integers, object of the same shape; None for an unknown integer."""
        place = np.minimum(np.searchsorted(self._sorted, numbers), len(self._sorted) - 1)
        found = self._ids[place]
        unknown = self._sorted[place] != numbers
        if unknown.any():
            found[unknown] = [self._added.get(number) for number in numbers[unknown].tolist()]
        return found

    def integers(self, ids: Iterable[str]) -> np.ndarray:
        """Return the integers of any string ids, known or not: int64 ``(m,)``."""
        return int64_ids(np.array(list(ids), dtype=object))

    def known_integers(self, ids: list[str]) -> np.ndarray:
        """Return the integers of known string ids, int64 ``(m,)``.

        Raises:
            ValueError: an id is unknown.
        """
        numbers = self.integers(ids)
        found = self.strings(numbers).tolist()
        unknown = [one for one, known in zip(ids, found) if one != known]
        if unknown:
            raise ValueError(
                f"ids: {unknown[0]!r} is not among the {len(self.ids):,} items of the index ({len(unknown)} unknown)"
            )
        return numbers

    def add(self, ids: Iterable[str]) -> None:
        """Add string ids to the map.

        Raises:
            ValueError: a new id has the integer of another id.
        """
        ids = list(ids)
        numbers = self.integers(ids)
        for one, known in zip(ids, self.strings(numbers)):
            if known not in (None, one):
                raise ValueError(f"ids: {one!r} and {known!r} have the same 63-bit hash; rename one of them")
        self._added |= zip(numbers.tolist(), ids)


def map_file(path: Path) -> Path:
    """Return the path of the map of a faiss file: ``items.ids.parquet`` for ``items.faiss``."""
    return path.with_suffix(".ids.parquet")


def id_table(bundle: Bundle) -> pa.Table:
    """Return the map of a bundle: columns ``id`` (int64, as in the faiss file) and ``item`` (string id), row by row."""
    import pyarrow as pa

    metadata = {_FINGERPRINT: bundle.fingerprint.encode(), _VERSION: bundle.files["items.parquet"].sha256.encode()}
    columns = {"id": pa.array(bundle.int64_ids), "item": pa.array(bundle.ids.tolist(), pa.string())}
    return pa.table(columns).replace_schema_metadata(metadata)


def read_id_map(path: Path, facts: Mapping[str, Any]) -> IdMap:
    """Read the map of a faiss file.

    Args:
        path: the faiss file.
        facts: its report, from `read_report`.
    Raises:
        FileNotFoundError: there is no map.
        ValueError: the map cannot be read, or belongs to another file.
    """
    file = map_file(path)
    if not file.is_file():
        raise FileNotFoundError(f"no map of ids {file.name!r} beside {str(path)!r}; export the bundle again")
    try:
        table = read_parquet(file, partial(_check_columns, rows=facts["rows"]), fix="export the bundle again")
    except ValueError as error:
        raise ValueError(f"{str(file)!r}: {error}") from None
    metadata = table.schema.metadata or {}
    found = tuple(metadata.get(key, b"").decode(errors="replace") for key in (_FINGERPRINT, _VERSION))
    if found != (facts["fingerprint"], facts["items_sha256"]):
        raise ValueError(f"{str(file)!r} is of another version than {path.name!r}; export the bundle again")
    id_map = IdMap(table["item"].to_numpy(), table["id"].to_numpy())
    if not np.array_equal(id_map.numbers, int64_ids(id_map.ids)):
        raise ValueError(f"{str(file)!r} is damaged: an integer is not that of its item; export the bundle again")
    return id_map


def _check_columns(file: Any, rows: int) -> None:
    found = {field.name: str(field.type) for field in file.schema_arrow}
    if found != {"id": "int64", "item": "string"} or file.metadata.num_rows != rows:
        raise ValueError(
            f"it has {file.metadata.num_rows} rows of {found}, not {rows} of id (int64) and item (string); "
            "export the bundle again"
        )


def is_id_map(path: Path) -> bool:
    """Return whether a file is a map of ids that an export wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return path.is_file() and _VERSION in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False

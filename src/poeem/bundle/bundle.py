"""Bundle: a trained index and its coded items, for any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.int64_ids import int64_ids
from poeem.bundle.manifest import FileRecord
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained index and its coded items, as `open_bundle` reads them; immutable.

    Args:
        path: the folder.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        arrays: float32 arrays by name: ``rotation (dim, dim)``, ``coarse (nlist, dim)``, ``codebooks (M, ksub, dsub)``
            (``(M, ksub, dim)`` for RQ), ``query_adapter (dim, dim)``, and ``encoder_codebooks``, which encode new items
            if codes were fixed while ``codebooks`` were trained. An array that the index does not have is absent.
        ids: the users' ids in row order, int64 or object of str, ``(n,)``.
        codes: uint8 codeword numbers, ``(n, M)``.
        lists: int32 inverted list of each row, ``(n,)``; None for a flat spec.
        columns: the user's columns, one row per item; None if there are none.
        fingerprint: SHA-256 over spec, metric, dim and arrays.
        training: facts about the training.
        files: size and checksum of each file. With pending changes the items' checksum covers the file and the changes.
        pending: number of changes in the log. They are applied here, but not yet written into the items' file.
    """

    path: Path
    spec: IndexSpec
    metric: str
    dim: int
    arrays: Mapping[str, np.ndarray]
    ids: np.ndarray
    codes: np.ndarray
    lists: np.ndarray | None
    columns: pa.Table | None
    fingerprint: str
    training: Mapping[str, Any]
    files: Mapping[str, FileRecord] = field(repr=False)
    pending: int = 0

    def __post_init__(self) -> None:
        for array in (*self.arrays.values(), self.ids, self.codes, self.lists):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {self.spec}, {self.metric}, dim={self.dim}, rows={len(self):,})"

    @property
    def nbytes(self) -> int:
        """Total size of the data files on disk, bytes."""
        return sum(record.bytes for record in self.files.values())

    @property
    def string_ids(self) -> bool:
        """True if ids are strings, False if they are integers."""
        return self.ids.dtype == object

    @cached_property
    def int64_ids(self) -> np.ndarray:
        """The integer id of each item, for engines that store integers only: int64 ``(n,)``, see `int64_ids`.

        Raises:
            ValueError: two strings have the same integer.
        """
        return int64_ids(self.ids)

    def row_of(self, ids: Any) -> np.ndarray:
        """Return the row numbers of the items with these ids, int64 ``(k,)``.

        Args:
            ids: array or list of ids, of the bundle's id type.
        Raises:
            ValueError: an id is of another type, or no item has it.
        """
        given = np.asarray(ids)
        if self.string_ids:
            if given.dtype.kind not in "UO":
                raise ValueError(f"ids must be strings as in the bundle, not {given.dtype}; pass str(id)")
            rows = np.array([self._row_by_string.get(one, -1) for one in given.ravel().tolist()], dtype=np.int64)
        else:
            if given.dtype.kind not in "iu":
                raise ValueError(f"ids must be integers as in the bundle, not {given.dtype}; pass int(id)")
            given = given.astype(np.int64)
            order, ordered = self._sorted_ids
            place = np.minimum(np.searchsorted(ordered, given.ravel()), len(ordered) - 1)
            rows = np.where(ordered[place] == given.ravel(), order[place], -1)
        if (rows < 0).any():
            missing = given.ravel()[rows < 0]
            raise ValueError(
                f"ids: {missing[0].item() if hasattr(missing[0], 'item') else missing[0]!r} is not among the "
                f"{len(self):,} items of the bundle ({len(missing)} unknown)"
            )
        return rows

    @cached_property
    def _row_by_string(self) -> dict[str, int]:
        return {one: row for row, one in enumerate(self.ids.tolist())}

    @cached_property
    def _sorted_ids(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.ids, kind="stable")
        return order, self.ids[order]

"""Add, replace and delete rows of a faiss index in memory. New rows are encoded by the arrays of the training."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle
from poeem.bundle.encoder import Encoder
from poeem.bundle.new_items import check_known, check_new_ids, check_new_vectors, check_unknown
from poeem.engines.faiss.build import rows_with_lists, stored_codes
from poeem.engines.faiss.id_map import IdMap
from poeem.engines.faiss.index_parts import Parts, stored_rows
from poeem.engines.faiss.read import trained_arrays
from poeem.engines.faiss.stored_rows import append_to_blocks

if TYPE_CHECKING:
    import faiss


class IndexChanges:
    """Changes the rows of one index in memory. No other thread may search it meanwhile, because faiss has no lock.

    Our own encoder encodes the rows. faiss's encoder would give other codes in three cases: separate encoder codebooks;
    centroids of different norms under inner product; additive codebooks.

    Args:
        index: the faiss index.
        parts: `parts_of` the index.
        bundle: the bundle it was built from; with None the arrays are read from the index.
        id_map: the map of string ids; None if ids are integers.
    Raises:
        ValueError: rows of this kind of index cannot be changed.
    """

    def __init__(self, index: faiss.Index, parts: Parts, bundle: Bundle | None, id_map: IdMap | None = None) -> None:
        import faiss

        self._index, self._parts, self._bundle = index, parts, bundle
        if parts.refines:
            raise ValueError("rows of a refining index cannot be changed (faiss has no remove_ids there); export again")
        if parts.nlist and isinstance(faiss.downcast_InvertedLists(parts.inner.invlists), faiss.OnDiskInvertedLists):
            raise ValueError("rows of lists on disk, or of a mapped file, cannot be changed; open the index in memory")
        if parts.fastscan and not parts.nlist:
            raise ValueError(
                "rows of a flat FastScan index cannot be changed; export with fastscan=False, or with lists"
            )
        self._id_map = id_map
        stored = stored_rows(index)[0]
        ids = stored if id_map is None else id_map.strings(stored)
        #: faiss's integer of every item, by the user's id.
        self._integers: dict[Any, int] = dict(zip(ids.tolist(), stored.tolist()))

    def add(self, ids: Any, vectors: Any) -> None:
        """Add items. See `FaissSearcher.add`."""
        named = self._ids(ids)
        check_unknown(named, self._integers)
        self._put(named, self._vectors(vectors, len(named)))

    def replace(self, ids: Any, vectors: Any) -> None:
        """Give items new vectors: remove, then add; faiss has no single call for this. See `FaissSearcher.replace`."""
        named = self._ids(ids)
        check_known(named, self._integers)
        checked = self._vectors(vectors, len(named))
        self._remove(named)
        self._put(named, checked)

    def upsert(self, ids: Any, vectors: Any) -> None:
        """Add items that are new and replace those that exist. See `FaissSearcher.upsert`."""
        named = self._ids(ids)
        checked = self._vectors(vectors, len(named))
        if known := [one for one in named if one in self._integers]:
            self._remove(known)
        self._put(named, checked)

    def delete(self, ids: Any) -> None:
        """Delete items. See `FaissSearcher.delete`."""
        named = self._ids(ids)
        check_known(named, self._integers)
        self._remove(named)

    def integers_of(self, ids: Any) -> np.ndarray:
        """Return the integers that stand for the users' ids in the index, int64 ``(m,)``.

        Raises:
            ValueError: no item has such an id.
        """
        named = np.asarray(ids, dtype=object).ravel().tolist()
        check_known(named, self._integers)
        return np.array([self._integers[one] for one in named], dtype=np.int64)

    def _ids(self, ids: Any) -> list[Any]:
        return check_new_ids(ids, string_ids=self._id_map is not None)

    def _vectors(self, vectors: Any, rows: int) -> np.ndarray:
        return check_new_vectors(vectors, rows=rows, dim=self._arrays.dim, metric=self._arrays.metric)

    def _remove(self, named: list[Any]) -> None:
        import faiss

        numbers = np.array([self._integers[one] for one in named], dtype=np.int64)
        batch: Any = faiss.IDSelectorBatch
        removed = self._index.remove_ids(batch(numbers))
        assert removed == len(named), f"{removed} rows were removed for {len(named)} ids"
        for one in named:
            del self._integers[one]

    def _put(self, named: list[Any], vectors: np.ndarray) -> None:
        if self._id_map is None:
            numbers = np.array(named, dtype=np.int64)
        else:
            self._id_map.add(named)
            numbers = self._id_map.integers(named)
        self._put_codes(self._coded(numbers, vectors))
        self._integers |= zip(named, numbers.tolist())

    def _coded(self, numbers: np.ndarray, vectors: np.ndarray) -> Bundle:
        codes, lists = self._encoder.encode(vectors)
        return replace(self._arrays, ids=numbers, codes=codes, lists=lists)

    def _put_codes(self, rows: Bundle) -> None:
        import faiss

        inner, packed = self._parts.inner, stored_codes(rows)
        if self._parts.fastscan:
            assert rows.lists is not None
            append_to_blocks(inner, rows.lists, rows.ids, packed)
        elif self._parts.nlist:
            inner.add_sa_codes(rows_with_lists(rows, packed), rows.ids)
        else:
            (mapped,) = self._parts.of(faiss.IndexIDMap)
            known = faiss.vector_to_array(mapped.id_map)
            inner.add_sa_codes(packed)
            faiss.copy_array_to_vector(np.concatenate([known, rows.ids]), mapped.id_map)
            if isinstance(mapped, faiss.IndexIDMap2):
                mapped.construct_rev_map()
        for wrapper in self._parts.wrappers:
            # Only faiss's own add counts for the wrappers.
            wrapper.ntotal = inner.ntotal

    @cached_property
    def _arrays(self) -> Bundle:
        """The arrays that encode the rows, as a bundle without rows."""
        if self._bundle is not None:
            return replace(self._bundle, columns=None)
        spec, metric, arrays = trained_arrays(self._index)
        return Bundle(
            path=Path(),
            spec=spec,
            metric=metric,
            dim=self._index.d,
            arrays=arrays,
            ids=np.empty(0, np.int64),
            codes=np.empty((0, spec.M), np.uint8),
            lists=np.empty(0, np.int32) if spec.nlist else None,
            columns=None,
            fingerprint="",
            training={},
            files={},
        )

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._arrays)

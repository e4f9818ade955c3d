"""Search a faiss index with the users' own ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle, open_bundle
from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.changes import IndexChanges
from poeem.engines.faiss.id_map import IdMap, read_id_map
from poeem.engines.faiss.index_file import check_dim_and_rows, read_index, read_proof
from poeem.engines.faiss.index_parts import metric_of, parts_of
from poeem.engines.faiss.parameters import Chosen, can_select, choose, search_parameters
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import MISSING, any_missing, check_k, prepare_queries

if TYPE_CHECKING:
    import faiss


class FaissSearcher:
    """A faiss index with what its file cannot hold: string ids and the query adapter.

    Args:
        index: the faiss index.
        bundle: the bundle with string ids and query adapter; may be None if the index has neither.
        id_map: the map of string ids, if there is no bundle.
        proven: whether the index was compared with a report or built from a bundle.
    """

    def __init__(
        self, index: faiss.Index, bundle: Bundle | None = None, id_map: IdMap | None = None, *, proven: bool = True
    ) -> None:
        self.index = index
        self.bundle = bundle
        self.proven = proven
        self.metric = metric_of(index)
        self._worst = np.inf if self.metric == "l2" else -np.inf
        self.dim: int = index.d
        self.parts = parts_of(index)
        self.nlist = self.parts.nlist
        self._ivf = self.parts.inner if self.nlist else None
        self._adapter = None if bundle is None else bundle.arrays.get("query_adapter")
        if bundle is not None and bundle.string_ids:
            id_map = IdMap(bundle.ids, bundle.int64_ids)
        self.id_map = id_map
        self._changes: IndexChanges | None = None

    def __len__(self) -> int:
        return self.index.ntotal

    @property
    def nprobe(self) -> int:
        """Default number of lists visited per query; 1 for a flat index."""
        return 1 if self._ivf is None else self._ivf.nprobe

    def search(
        self, queries: Any, k: int, nprobe: int | None = None, *, only: Any = None, exclude: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query.

        Args:
            queries: ``(nq, dim)``, the output of the query tower.
            k: results per query.
            nprobe: lists visited per query; None takes the stored number.
            only: ids that may be returned, ``(m,)``.
            exclude: ids that must not be returned, ``(m,)``; not together with ``only``.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first. If the visited lists hold
            fewer than k items, the remaining ids are -1 (None for strings) and scores -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k or nprobe below 1; ids of another
                type than the index's, or unknown string ids.
        """
        scores, ids = self.search_stored(queries, k, nprobe, choose(only, exclude, self._integers))
        return scores, self._users_ids(ids)

    def search_stored(
        self, queries: Any, k: int, nprobe: int | None = None, chosen: Chosen | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Search as `search` does, but return the integer ids of the index; ``chosen`` includes or excludes ids."""
        queries, k = prepare_queries(queries, self.dim, self.metric, self._adapter), check_k(k)
        if chosen is None:
            parameters = None if nprobe is None else search_parameters(self.parts, self._probes(nprobe))
            scores, ids = self.index.search(queries, k, params=parameters)
        elif self._ivf is None or not can_select(self.parts):
            scores, ids = self._search_and_filter(queries, k, nprobe, chosen)
        else:
            selector = chosen.selector(self.parts.id_map if self.parts.refines else None)
            parameters = search_parameters(self.parts, self._probes(nprobe) or self.nprobe, selector)
            scores, ids = self.index.search(queries, k, params=parameters)
        if any_missing(ids):
            scores[ids == MISSING] = self._worst
        return scores, ids

    def range_search(
        self, queries: Any, threshold: float, nprobe: int | None = None, *, only: Any = None, exclude: Any = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find all items with a score better than a threshold.

        Args:
            queries: ``(nq, dim)``, the output of the query tower.
            threshold: smallest score (``ip``, ``cosine``) or largest squared distance (``l2``), itself excluded.
            nprobe: lists visited per query; None takes the stored number.
            only, exclude: as for `search`.
        Returns:
            limits int64 ``(nq + 1,)``, scores float32 and ids, both ``(limits[-1],)``. The results of query i are at
            ``limits[i]`` to ``limits[i + 1]``, best first.
        Raises:
            ValueError: as for `search`; also for a threshold that is not finite, and for a FastScan or refining index.
        """
        if self.parts.fastscan or self.parts.refines:
            what = (
                "its scores are approximate" if self.parts.fastscan else "its candidates are by codes, not by vectors"
            )
            raise ValueError(
                f"range_search is not possible for a {'FastScan' if self.parts.fastscan else 'refining'} index "
                f"({what}); export without that option"
            )
        queries = prepare_queries(queries, self.dim, self.metric, self._adapter)
        if not np.isfinite(threshold):
            raise ValueError(f"threshold (={threshold!r}) must be a finite number")
        parameters = search_parameters(self.parts, self._probes(nprobe))
        limits, scores, ids = self.index.range_search(queries, float(threshold), params=parameters)
        query = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
        chosen = choose(only, exclude, self._integers)
        if chosen is not None:
            kept = chosen.allows(ids)
            query, scores, ids = query[kept], scores[kept], ids[kept]
        order = np.lexsort((scores if self.metric == "l2" else -scores, query))
        limits = np.searchsorted(query, np.arange(len(queries) + 1))
        return limits, scores[order], self._users_ids(ids[order])

    def add(self, ids: Any, vectors: Any) -> None:
        """Add items to the index in memory, encoded by the arrays of its training. The next search finds them.

        No file and no bundle changes; see `BundleEditor` for those. No other thread may search meanwhile.

        Args:
            ids: integers, or strings as in the bundle, ``(n,)``; all of them new.
            vectors: ``(n, dim)``, the output of the item tower.
        Raises:
            ValueError: an id exists already, is given twice or is of another type; a vector is not finite, is zero
                under ``cosine`` or has another width; or rows of this kind of index cannot be changed (refining, flat
                FastScan, on disk). Nothing has changed then.
        """
        self._changing().add(ids, vectors)

    def replace(self, ids: Any, vectors: Any) -> None:
        """Give items new vectors, in memory.

        Args:
            ids: ids of items in the index, ``(n,)``.
            vectors: ``(n, dim)``, the output of the item tower.
        Raises:
            ValueError: an id is not in the index, or a vector or the index is wrong as for `add`. Nothing has changed
                then.
        """
        self._changing().replace(ids, vectors)

    def upsert(self, ids: Any, vectors: Any) -> None:
        """Add items that are new and replace those that exist, in memory. Arguments and errors as for `add`."""
        self._changing().upsert(ids, vectors)

    def delete(self, ids: Any) -> None:
        """Delete items, in memory.

        Raises:
            ValueError: an id is not in the index, or the index is wrong as for `add`. Nothing has changed then.
        """
        self._changing().delete(ids)

    def _changing(self) -> IndexChanges:
        if self._changes is None:
            self._changes = IndexChanges(self.index, self.parts, self.bundle, self.id_map)
        return self._changes

    def _probes(self, nprobe: int | None) -> int | None:
        """Lists to visit, None for the stored number. Checked for flat indexes too, where it has no use."""
        checked = check_nprobe(nprobe, self.nlist, default=self.nprobe)
        return None if self._ivf is None or checked == self._ivf.nprobe else checked

    def _search_and_filter(
        self, queries: np.ndarray, k: int, nprobe: int | None, chosen: Chosen
    ) -> tuple[np.ndarray, np.ndarray]:
        """faiss cannot filter by id in this kind of index: search for more and filter, until there are k or no more."""
        parameters = search_parameters(self.parts, self._probes(nprobe))
        results = k
        while True:
            results = min(4 * results, max(len(self), k))
            scores, ids = self.index.search(queries, results, params=parameters)
            allowed = chosen.allows(ids) & (ids != MISSING)
            if results >= len(self) or ((allowed.sum(1) >= k) | (ids[:, -1] == MISSING)).all():
                break
        order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        scores, ids = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        ids[~np.take_along_axis(allowed, order, axis=1)] = MISSING
        return scores, ids

    def _integers(self, ids: Any) -> np.ndarray:
        """The integers that faiss holds for the users' ids."""
        if self.id_map is not None:
            if self._changes is not None:
                return self._changes.integers_of(ids)
            return self.id_map.known_integers(np.asarray(ids, dtype=object).ravel().tolist())
        numbers = np.asarray(ids)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise ValueError(f"ids must be integers as in the index, not {numbers.dtype}; pass int(id)")
        return numbers.astype(np.int64).ravel()

    def _users_ids(self, ids: np.ndarray) -> np.ndarray:
        return ids if self.id_map is None else self.id_map.strings(ids)


def open_engine(
    source: Bundle | str | Path, bundle: Bundle | None = None, *, memory_map: bool = False, check: bool = True
) -> FaissSearcher:
    """Return a searcher over a faiss file, or over a bundle, from which an index is built in memory.

    Args:
        source: a faiss file, a bundle, or the folder of a bundle or run.
        bundle: the bundle from which a faiss file was written. Needed for a query adapter, and for string ids if their
            map is missing.
        memory_map: leave the codes in the file, and load them when they are searched. The file must then not change.
        check: True compares the whole file with the checksum in its report, False a sample of its blocks.
    Returns:
        the searcher; ``proven`` is False for a file without a report.
    Raises:
        FileNotFoundError: there is nothing at ``source``.
        ValueError: the file is no faiss index, is damaged, is not of this bundle, or needs a bundle.
    """
    if isinstance(source, Bundle):
        return FaissSearcher(build_index(source), source)
    source = Path(source)
    if source.is_dir():
        opened = open_bundle(source)
        return FaissSearcher(build_index(opened), opened)
    if not source.is_file():
        raise FileNotFoundError(f"no faiss file and no bundle at {str(source)!r}")
    facts = read_proof(source, check=check)
    index = read_index(source, memory_map=memory_map)
    if facts is None:
        _check_sizes(source, index, bundle)
        return FaissSearcher(index, bundle, proven=False)
    check_dim_and_rows(source, index, facts)
    id_map = _id_map(source, facts, bundle)
    return FaissSearcher(index, bundle, id_map)


def _id_map(path: Path, facts: dict[str, Any], bundle: Bundle | None) -> IdMap | None:
    """The map of string ids, from the bundle or from its file; None for integer ids.

    Raises:
        ValueError: the file was not written from the bundle, or cannot be searched without one.
    """
    strings = facts["id_type"] == "string"
    if bundle is not None:
        other_items = strings and facts["items_sha256"] != bundle.files["items.parquet"].sha256
        if facts["fingerprint"] != bundle.fingerprint or other_items:
            what = "other items" if facts["fingerprint"] == bundle.fingerprint else "another training"
            raise ValueError(f"{str(path)!r} was written from {what} than {bundle!r} holds; export the bundle again")
        return None
    if facts["query_adapter"]:
        raise ValueError(
            f"{str(path)!r} needs its bundle: its queries go through an adapter; pass bundle=poeem.open(DIR)"
        )
    if not strings:
        return None
    try:
        return read_id_map(path, facts)
    except FileNotFoundError as error:
        raise ValueError(f"{str(path)!r} needs its bundle ({error}); or pass bundle=poeem.open(DIR)") from None


def _check_sizes(path: Path, index: faiss.Index, bundle: Bundle | None) -> None:
    """Refuse a bundle that a file without a report cannot be of."""
    if bundle is not None and (index.d != bundle.dim or index.ntotal != len(bundle)):
        raise ValueError(
            f"{str(path)!r} (dim={index.d}, {index.ntotal:,} rows) is not of the bundle {str(bundle.path)!r} "
            f"(dim={bundle.dim}, {len(bundle):,} rows); export the bundle again"
        )

"""Search a faiss index with the users' own ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle, open_bundle
from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.index_parts import metric_of, parts_of
from poeem.engines.faiss.parameters import Chosen, can_select, choose, search_parameters
from poeem.engines.faiss.redirect_stdout import remarks_on_stderr
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import any_missing, check_k, prepare_queries
from poeem.engines.report import sidecar_of

if TYPE_CHECKING:
    import faiss

    from poeem.engines.faiss.changes import IndexChanges


class FaissSearcher:
    """A faiss index and what its file cannot hold: string ids and the query adapter.

    Args:
        index: the faiss index.
        bundle: where string ids and the query adapter are; None where there are none.
    """

    def __init__(self, index: faiss.Index, bundle: Bundle | None = None) -> None:
        self.index = index
        self.bundle = bundle
        self.metric = metric_of(index)
        self._worst = np.inf if self.metric == "l2" else -np.inf
        self.dim: int = index.d
        self.parts = parts_of(index)
        self.nlist = self.parts.nlist
        self._ivf = self.parts.inner if self.nlist else None
        self._adapter = None if bundle is None else bundle.arrays.get("query_adapter")
        self._names = bundle.ids if bundle is not None and bundle.string_ids else None
        self._changes: IndexChanges | None = None

    def __len__(self) -> int:
        return self.index.ntotal

    @property
    def nprobe(self) -> int:
        """Lists visited per query unless a search says otherwise; 1 for a flat index."""
        return 1 if self._ivf is None else self._ivf.nprobe

    def search(
        self, queries: Any, k: int, nprobe: int | None = None, *, only: Any = None, exclude: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best items of every query.

        Args:
            queries: ``(nq, dim)``.
            k: results per query.
            nprobe: lists visited per query; None takes the stored one.
            only: ids that may be returned, ``(m,)``; those that the index does not hold mean nothing.
            exclude: ids that may not be returned; not together with ``only``.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first; where the visited lists hold
            fewer than k items, id -1 (None for strings) and score -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k or nprobe below 1; ids of another
                type than the index's.
        """
        scores, ids = self.search_stored(queries, k, nprobe, choose(only, exclude, self._numbers))
        return scores, self._named(ids)

    def search_stored(
        self, queries: Any, k: int, nprobe: int | None = None, chosen: Chosen | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, with the ids that faiss holds: row numbers where the bundle's are strings."""
        queries, k = prepare_queries(queries, self.dim, self.metric, self._adapter), check_k(k)
        if chosen is None:
            parameters = None if nprobe is None else search_parameters(self.parts, self._probes(nprobe))
            scores, ids = self.index.search(queries, k, params=parameters)
        elif self._ivf is None or not can_select(self.parts):
            scores, ids = self._search_and_sift(queries, k, nprobe, chosen)
        else:
            selector = chosen.selector(self.parts.id_map if self.parts.refines else None)
            parameters = search_parameters(self.parts, self._probes(nprobe) or self.nprobe, selector)
            scores, ids = self.index.search(queries, k, params=parameters)
        if any_missing(ids):
            scores[ids < 0] = self._worst
        return scores, ids

    def range_search(
        self, queries: Any, threshold: float, nprobe: int | None = None, *, only: Any = None, exclude: Any = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All items that score better than a threshold.

        Args:
            queries: ``(nq, dim)``.
            threshold: scores above it (``ip``, ``cosine``) or squared distances below it (``l2``).
            nprobe: lists visited per query; None takes the stored one.
            only, exclude: as for `search`.
        Returns:
            limits int64 ``(nq + 1,)``, scores float32 and ids, both ``(limits[-1],)``: those of query i stand from
            ``limits[i]`` to ``limits[i + 1]``, best first.
        Raises:
            ValueError: as for `search`, or the index is a FastScan or refining one.
        """
        if self.parts.fastscan or self.parts.refines:
            what = (
                "its scores are approximate" if self.parts.fastscan else "its candidates are by codes, not by vectors"
            )
            raise ValueError(
                f"range_search is not to be had from a {'FastScan' if self.parts.fastscan else 'refining'} index "
                f"({what}); export without that option"
            )
        queries = prepare_queries(queries, self.dim, self.metric, self._adapter)
        if not np.isfinite(threshold):
            raise ValueError(f"threshold (={threshold!r}) must be a finite number")
        parameters = search_parameters(self.parts, self._probes(nprobe))
        limits, scores, ids = self.index.range_search(queries, float(threshold), params=parameters)
        query = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
        chosen = choose(only, exclude, self._numbers)
        if chosen is not None:
            kept = chosen.allows(ids)
            query, scores, ids = query[kept], scores[kept], ids[kept]
        order = np.lexsort((scores if self.metric == "l2" else -scores, query))
        limits = np.searchsorted(query, np.arange(len(queries) + 1))
        return limits, scores[order], self._named(ids[order])

    def add(self, ids: Any, vectors: Any) -> None:
        """Add items to the index in memory, coded by the arrays of its training; the next search finds them.

        Neither a file nor a bundle changes: `BundleEditor` is for those. Not while another thread searches.

        Args:
            ids: integers, or strings as in the bundle, ``(n,)``, none of which is there.
            vectors: ``(n, dim)``, as they come before the index.
        Raises:
            ValueError: an id is there already, there twice or of another type; a vector is not finite, zero under
                ``cosine`` or of another width; or rows of this kind of index cannot be changed (refining, flat
                FastScan, on disk). Nothing has changed then.
        """
        self._changing().add(ids, vectors)
        self._names = self._changing().names

    def replace(self, ids: Any, vectors: Any) -> None:
        """Give items other vectors: remove and add. As `add`, for ids that are there."""
        self._changing().replace(ids, vectors)
        self._names = self._changing().names

    def delete(self, ids: Any) -> None:
        """Delete items from the index in memory. As `add`, for ids that are there."""
        self._changing().delete(ids)

    def _changing(self) -> IndexChanges:
        if self._changes is None:
            from poeem.engines.faiss.changes import IndexChanges

            self._changes = IndexChanges(self.index, self.parts, self.bundle)
        return self._changes

    def _probes(self, nprobe: int | None) -> int | None:
        """Lists to visit where that differs from what is stored. Checked for flat indexes too, where it has no use."""
        wanted = check_nprobe(nprobe, self.nlist, default=self.nprobe)
        return None if self._ivf is None or wanted == self._ivf.nprobe else wanted

    def _search_and_sift(
        self, queries: np.ndarray, k: int, nprobe: int | None, chosen: Chosen
    ) -> tuple[np.ndarray, np.ndarray]:
        """faiss cannot choose ids in this kind of index: ask for more and sift, until there are k or no more."""
        parameters = search_parameters(self.parts, self._probes(nprobe))
        wanted = k
        while True:
            wanted = min(4 * wanted, max(len(self), k))
            scores, ids = self.index.search(queries, wanted, params=parameters)
            allowed = chosen.allows(ids) & (ids >= 0)
            if wanted >= len(self) or ((allowed.sum(1) >= k) | (ids[:, -1] < 0)).all():
                break
        order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        scores, ids = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        ids[~np.take_along_axis(allowed, order, axis=1)] = -1
        return scores, ids

    def _numbers(self, ids: Any) -> np.ndarray:
        """The ids that faiss holds for the users' own."""
        if self._names is not None and self.bundle is not None:
            if self._changes is not None:
                return self._changes.numbers_of(ids)
            return self.bundle.row_of(np.asarray(ids, dtype=object))
        numbers = np.asarray(ids)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise ValueError(f"ids must be integers as in the index, not {numbers.dtype}; pass int(id)")
        return numbers.astype(np.int64).ravel()

    def _named(self, ids: np.ndarray) -> np.ndarray:
        if self._names is None:
            return ids
        names = self._names[ids]
        names[ids < 0] = None
        return names


def open_engine(
    source: Bundle | str | Path, bundle: Bundle | None = None, *, memory_map: bool = False
) -> FaissSearcher:
    """A searcher over a faiss file, or over a bundle, whose index is then built in memory.

    Args:
        source: a faiss file, a bundle, or a bundle's or run's folder.
        bundle: for a faiss file with string ids or a query adapter, the bundle it was written from.
        memory_map: leave the codes in the file, which then must stay as it is, and load them as they are searched.
    Raises:
        FileNotFoundError: there is nothing at ``source``.
        ValueError: the file is no faiss index, or is not of this bundle, or needs one.
    """
    if isinstance(source, Bundle):
        return FaissSearcher(build_index(source), source)
    source = Path(source)
    if source.is_dir():
        opened = open_bundle(source)
        return FaissSearcher(build_index(opened), opened)
    if not source.is_file():
        raise FileNotFoundError(f"no faiss file and no bundle at {str(source)!r}")
    index = read_index(source, memory_map=memory_map)
    _check_origin(source, index, bundle)
    return FaissSearcher(index, bundle)


def read_index(path: Path, *, memory_map: bool = False) -> faiss.Index:
    """`faiss.read_index` with a plain error; lists that are in a file of their own are looked for beside ``path``.

    Raises:
        ValueError: the file is no faiss index, or is damaged.
    """
    import faiss

    flags = faiss.IO_FLAG_MMAP if memory_map else 0
    try:
        if not any(path.parent.glob("*.ivfdata")):
            return faiss.read_index(str(path), flags)
        with remarks_on_stderr():
            return faiss.read_index(str(path), flags | faiss.IO_FLAG_ONDISK_SAME_DIR)
    except RuntimeError as error:
        with path.open("rb") as file:
            if file.read(2) == b"IB":
                raise ValueError(f"{str(path)!r} is a binary index of faiss; name one of float vectors") from None
        # Without the function of C++ and its line.
        reason = re.sub(r"^.*\.cpp:\d+: ", "", str(error).splitlines()[-1])
        raise ValueError(f"{str(path)!r} is no faiss index, or a damaged one ({reason}); export it again") from None


def read_facts(path: Path) -> dict[str, Any]:
    """The report that stands beside an exported file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no report.
    """
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        raise FileNotFoundError(f"no report {sidecar.name!r} beside {str(path)!r}; export the file again")
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
        if not {"bytes", "fingerprint", "items_sha256", "id_type", "query_adapter", "metric", "dim"} <= set(facts):
            raise ValueError
    except (ValueError, TypeError):
        raise ValueError(f"{str(sidecar)!r} is no report of an export; export the bundle again") from None
    return facts


def _check_origin(path: Path, index: faiss.Index, bundle: Bundle | None) -> None:
    """Refuse a bundle that the file was not written from, and a file that needs one and has none."""
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        if bundle is not None and (index.d != bundle.dim or index.ntotal != len(bundle)):
            raise ValueError(
                f"{str(path)!r} (dim={index.d}, {index.ntotal:,} rows) is not of the bundle {str(bundle.path)!r} "
                f"(dim={bundle.dim}, {len(bundle):,} rows); export the bundle again"
            )
        return
    facts = read_facts(path)
    size, fingerprint, items = facts["bytes"], facts["fingerprint"], facts["items_sha256"]
    strings, adapter = facts["id_type"] == "string", facts["query_adapter"]
    if size != path.stat().st_size:
        raise ValueError(f"{str(path)!r} is not the file that {sidecar.name} is about; export the bundle again")
    if bundle is None:
        if strings or adapter:
            missing = "its ids are strings" if strings else "its queries go through an adapter"
            raise ValueError(f"{str(path)!r} needs its bundle: {missing}; pass bundle=poeem.open(DIR)")
        return
    if fingerprint != bundle.fingerprint or (strings and items != bundle.files["items.parquet"].sha256):
        what = "another training" if fingerprint != bundle.fingerprint else "other items"
        raise ValueError(f"{str(path)!r} was written from {what} than {bundle!r} holds; export the bundle again")

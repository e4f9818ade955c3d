"""Search a faiss index with the users' own ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle import Bundle, open_bundle
from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.contents import metric_of, parts_of
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import check_k, prepare_queries

if TYPE_CHECKING:
    import faiss


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
        self.dim: int = index.d
        parts = parts_of(index)
        self.nlist = parts.nlist
        self._wrapped = parts.wrapped
        self._ivf = parts.inner if parts.nlist else None
        self._adapter = None if bundle is None else bundle.arrays.get("query_adapter")
        self._names = bundle.ids if bundle is not None and bundle.string_ids else None

    def __len__(self) -> int:
        return self.index.ntotal

    @property
    def nprobe(self) -> int:
        """Lists visited per query unless a search says otherwise; 1 for a flat index."""
        return 1 if self._ivf is None else self._ivf.nprobe

    def search(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best items of every query.

        Args:
            queries: ``(nq, dim)``.
            k: results per query.
            nprobe: lists visited per query; None takes the stored one.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first; where the visited lists hold
            fewer than k items, id -1 (None for strings) and score -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k or nprobe below 1.
        """
        scores, ids = self.search_stored(queries, k, nprobe)
        if self._names is None:
            return scores, ids
        names = self._names[ids]
        names[ids < 0] = None
        return scores, names

    def search_stored(self, queries: Any, k: int, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, with the ids that faiss holds: row numbers where the bundle's are strings."""
        queries = prepare_queries(queries, self.dim, self.metric, self._adapter)
        scores, ids = self.index.search(queries, check_k(k), params=self._parameters(nprobe))
        empty = ids < 0
        if empty.any():
            scores[empty] = np.inf if self.metric == "l2" else -np.inf
        return scores, ids

    def _parameters(self, nprobe: int | None) -> faiss.SearchParameters | None:
        """Search parameters of this call alone, so that threads may search at different nprobe."""
        import faiss

        # Checked for flat indexes too, where it has no effect.
        wanted = check_nprobe(nprobe, self.nlist, default=self.nprobe)
        if self._ivf is None or wanted == self._ivf.nprobe:
            return None
        # Their named arguments are added by faiss's Python layer, where no checker sees them.
        parameters: Any = faiss.SearchParametersIVF
        inner = parameters(nprobe=wanted)
        if not self._wrapped:
            return inner
        parameters = faiss.SearchParametersPreTransform
        return parameters(index_params=inner)


def open_engine(source: Bundle | str | Path, bundle: Bundle | None = None) -> FaissSearcher:
    """A searcher over a faiss file, or over a bundle, whose index is then built in memory.

    Args:
        source: a faiss file, a bundle, or a bundle's or run's folder.
        bundle: for a faiss file with string ids or a query adapter, the bundle it was written from.
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
    index = read_index(source)
    _check_origin(source, index, bundle)
    return FaissSearcher(index, bundle)


def read_index(path: Path) -> faiss.Index:
    """`faiss.read_index` with a plain error.

    Raises:
        ValueError: the file is no faiss index, or is damaged.
    """
    import faiss

    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise ValueError(f"{str(path)!r} is no faiss index, or a damaged one ({reason}); export it again") from None


def sidecar_of(path: Path) -> Path:
    """Where the report of an engine's file is: ``FILE.json``."""
    return path.with_name(path.name + ".json")


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
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
        size, fingerprint, items = facts["bytes"], facts["fingerprint"], facts["items_sha256"]
        strings, adapter = facts["id_type"] == "string", facts["query_adapter"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{str(sidecar)!r} is no report of an export; export the bundle again") from None
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

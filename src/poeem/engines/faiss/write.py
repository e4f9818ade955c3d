"""Write a faiss file from a bundle, and keep it only if faiss then scores as the reference does."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.atomic import sync_file
from poeem.bundle.bundle import Bundle
from poeem.bundle.whole_file import check_folder_around, write_text
from poeem.engines.faiss.build import build_index, engine_ids, stored_codes, stored_nprobe
from poeem.engines.faiss.check import base_of, check_graph, check_refined, check_scores
from poeem.engines.faiss.coded_parts import Load, open_parts
from poeem.engines.faiss.index_parts import parts_of, stored_rows
from poeem.engines.faiss.on_disk import build_on_disk, check_lists, data_file, former_data_files, slices_of
from poeem.engines.faiss.options import check_options
from poeem.engines.faiss.searcher import FaissSearcher, read_index
from poeem.engines.item_vectors import read_item_vectors
from poeem.engines.queries import prepare_queries
from poeem.engines.report import Report, sidecar_of
from poeem.engines.self_check import Agreement, EngineMismatch, check_parts

if TYPE_CHECKING:
    import faiss


def write_faiss(
    bundle: Bundle,
    path: Path,
    *,
    nprobe: int | None = None,
    queries: Any = None,
    fastscan: bool = False,
    hnsw: bool = False,
    refine: str | None = None,
    vectors: Any = None,
    k_factor: float = 10,
    on_disk: bool = False,
    parts: Any = None,
) -> Report:
    """Write ``path`` for plain `faiss.read_index`, and its report as ``path.json``.

    Args:
        bundle: what to write.
        path: the file; one that is there is replaced only by a file that has passed the self-check.
        nprobe: lists visited per query, stored in the file; None takes the training's, or else nlist's square root.
        queries: ``(nq, dim)`` for the self-check; None takes some of the items, moved a little.
        fastscan: 4-bit PQ codes in the layout that is scanned by SIMD: several times faster, scores to about 1 %.
        hnsw: find the lists to visit by a graph over the centroids, for some thousand lists and more.
        refine: rank the best candidates again by vectors that are kept as ``flat``, ``fp16`` or ``sq8``.
        vectors: for ``refine``, float ``(n, dim)`` in the order of ``bundle.ids``, or a ``.npy`` file of them.
        k_factor: candidates that ``refine`` ranks again, in multiples of k; stored in the file.
        on_disk: leave the inverted lists in a file beside ``path``, from which faiss loads them as it searches.
        parts: other rows than the bundle's, coded with its arrays: folders of ``poeem encode``, exported faiss files or
            bundles, merged one by one; implies ``on_disk``, and may be larger than memory.
    Raises:
        FileNotFoundError: the folder of ``path`` or a part does not exist.
        ValueError: ``path`` is a folder, an option is wrong, or a part is of another training.
        EngineMismatch: faiss disagrees with the reference; nothing is kept.
    """
    import faiss

    began = time.perf_counter()
    _check_place(path)
    vectors = read_item_vectors(vectors)
    check_options(bundle, fastscan=fastscan, hnsw=hnsw, refine=refine, vectors=vectors, k_factor=k_factor)
    on_disk = on_disk or parts is not None
    if on_disk and (fastscan or refine):
        raise ValueError(f"lists on disk do not go together with {'fastscan' if fastscan else 'refine'}; leave one out")
    options: dict[str, Any] = {"fastscan": fastscan, "hnsw": hnsw, "on_disk": on_disk}
    if refine:
        options |= {"refine": refine, "k_factor": k_factor}
    options = {name: value for name, value in options.items() if value}
    new = path.with_name(f".{path.name}.new-{os.getpid()}")
    data = data_file(path) if on_disk else None
    kept = False
    try:
        if data is not None:
            loads = slices_of(bundle) if parts is None else open_parts(bundle, parts)
            index = build_on_disk(bundle, loads, data, stored_nprobe(bundle, nprobe), hnsw=hnsw)
            faiss.write_index(index, str(new))
            sync_file(data)
            written = time.perf_counter()
            agreement, rows = check_file_on_disk(bundle, loads, new, stored_nprobe(bundle, nprobe), options, queries)
        else:
            forms = {"fastscan": fastscan, "hnsw": hnsw, "refine": refine, "vectors": vectors, "k_factor": k_factor}
            index = build_index(bundle, nprobe, **(forms if options else {}))
            faiss.write_index(index, str(new))
            written = time.perf_counter()
            agreement, rows = check_file(bundle, new, queries, options, vectors), len(bundle)
        checked = time.perf_counter()
        sync_file(new)
        report = Report.of(
            bundle,
            agreement,
            engine="faiss",
            path=path,
            size=new.stat().st_size,
            nprobe=stored_nprobe(bundle, nprobe),
            began=began,
            written=written,
            checked=checked,
            options=options,
        )
        if data is not None:
            report = replace(report, rows=rows, lists_file=data.name)
        if parts is not None:
            # Rows of other items than the bundle's, whose ids are integers.
            report = replace(report, items_sha256="", id_type="int64")
        # In this order no moment pairs a file with the report of another one.
        sidecar_of(path).unlink(missing_ok=True)
        os.replace(new, path)
        kept = True
    finally:
        new.unlink(missing_ok=True)
        if data is not None and not kept:
            data.unlink(missing_ok=True)
    write_text(sidecar_of(path), replace(report, path=path.name).to_json())
    for former in former_data_files(path, keep=data):
        former.unlink()
    return report


def check_file(
    bundle: Bundle, path: Path, queries: Any = None, options: dict[str, Any] | None = None, vectors: Any = None
) -> Agreement:
    """The self-check on the file as faiss reads it: every stored byte, then the scores and ranks of a sample.

    Args:
        bundle: what was written.
        path: the file.
        queries: ``(nq, dim)``; None takes a sample.
        options: of the export; what is measured of them is added.
        vectors: the stored ones of ``refine``.
    Raises:
        EngineMismatch: something differs.
    """
    options = {} if options is None else options
    index = read_index(path)
    _check_rows(bundle, index)
    if "hnsw" in options:
        options["lists_found"] = check_graph(bundle, index, parts_of(index).inner.nprobe, queries)
    if "refine" not in options:
        return check_scores(bundle, index, queries)
    base, rows = base_of(index, bundle)
    agreement = check_scores(rows, base, queries)
    options["refined_score_error"] = check_refined(bundle, index, options["refine"], vectors, queries)
    return agreement


def check_file_on_disk(
    bundle: Bundle, loads: list[Load], path: Path, nprobe: int, options: dict[str, Any], queries: Any = None
) -> tuple[Agreement, int]:
    """As `check_file`, one part after another; also the number of rows."""
    index = read_index(path)
    check_lists(loads, index)
    if "hnsw" in options:
        options["lists_found"] = check_graph(bundle, index, nprobe, queries)
    searcher = FaissSearcher(index)
    adapter = bundle.arrays.get("query_adapter")

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        prepared = prepare_queries(queries, bundle.dim, bundle.metric, adapter)
        return searcher.search_stored(prepared, k, nprobe=bundle.spec.nlist)

    return check_parts(loads, search, engine="faiss", queries=queries), index.ntotal


def _check_rows(bundle: Bundle, index: faiss.Index) -> None:
    """A sample of queries would not see one wrong row in a million; comparing all bytes costs next to nothing."""
    ids, codes, sizes = stored_rows(index)
    expected_ids, expected_codes = engine_ids(bundle), stored_codes(bundle)
    if bundle.lists is not None:
        # numpy sorts 16-bit integers by radix, several times faster than wider ones.
        narrow = bundle.lists.astype(np.uint16) if bundle.spec.nlist <= 2**16 else bundle.lists
        order = np.argsort(narrow, kind="stable")
        expected_ids = np.take(expected_ids, order)
        expected_codes = np.take(expected_codes, order, axis=0)
        expected_sizes = np.bincount(bundle.lists, minlength=bundle.spec.nlist)
    else:
        expected_sizes = np.array([len(bundle)])
    if not (
        index.ntotal == len(bundle)
        and np.array_equal(sizes, expected_sizes)
        and np.array_equal(ids, expected_ids)
        and np.array_equal(codes, expected_codes)
    ):
        raise EngineMismatch("faiss does not hold the ids and codes of the bundle as written; nothing was kept")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"path (={str(path)!r}) is a folder; name a file, such as {str(path / 'items.faiss')!r}")
    check_folder_around(path)

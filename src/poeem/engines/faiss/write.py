"""Write a faiss file from a bundle, and keep it only if faiss scores as the reference does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.atomic import sync_directory, sync_file
from poeem.bundle.block_checksums import block_checksums
from poeem.bundle.bundle import Bundle
from poeem.bundle.whole_file import check_folder_around, place_beside, write_text
from poeem.data.checksum import file_sha256
from poeem.engines.faiss.build import build_index, stored_codes, stored_nprobe
from poeem.engines.faiss.check import base_of, check_graph, check_refined, check_scores
from poeem.engines.faiss.coded_parts import Load, open_parts
from poeem.engines.faiss.id_map import id_table, is_id_map, map_file
from poeem.engines.faiss.index_file import read_index, write_index
from poeem.engines.faiss.index_parts import parts_of, stored_rows
from poeem.engines.faiss.on_disk import build_on_disk, check_lists, data_file, former_data_files, slices_of
from poeem.engines.faiss.options import FaissOptions
from poeem.engines.faiss.repeated import NOTE, repeats_of
from poeem.engines.faiss.searcher import FaissSearcher
from poeem.engines.item_vectors import read_item_vectors
from poeem.engines.queries import prepare_queries
from poeem.engines.report import Report, sidecar_of
from poeem.engines.self_check import Agreement, EngineMismatch, check_parts

if TYPE_CHECKING:
    import faiss


def write_faiss(bundle: Bundle, path: Path, options: FaissOptions | None = None, *, queries: Any = None) -> Report:
    """Write a bundle as the file ``path``, readable by `faiss.read_index`, and its report as ``path.json``.

    If ids are strings, the file holds their `int64_ids`. A map is written beside it: ``items.ids.parquet`` for
    ``items.faiss``, with the columns ``id`` and ``item``.

    Args:
        bundle: the bundle to write.
        path: the file. An existing file is replaced only after the new one has passed the self-check.
        options: options of the file; None takes the defaults. If ``fastscan`` is None and FastScan's scores fail the
            self-check, the file is written without FastScan, and the report says so.
        queries: ``(nq, dim)`` for the self-check; None takes decoded items plus noise.
    Returns:
        the report.
    Raises:
        FileNotFoundError: the folder of ``path`` or a part does not exist.
        ValueError: ``path`` is a folder, an option is wrong, or a part is of another training.
        EngineMismatch: faiss's scores differ from the reference's. Nothing is written then.
    """
    options = FaissOptions() if options is None else options
    _check_place(path)
    options = replace(options, vectors=read_item_vectors(options.vectors))
    resolved = options.resolved(bundle)
    try:
        return _write(bundle, path, resolved, queries, {})
    except EngineMismatch as error:
        if options.fastscan is not None or not resolved.fastscan:
            raise
        reason = f"FastScan is left out: {str(error).split(';')[0]}"
        return _write(bundle, path, replace(resolved, fastscan=False), queries, {"fastscan_left_out": reason})


@dataclass(frozen=True)
class _Places:
    """Where the files of an export are written before they are moved into place."""

    index: Path
    id_map: Path | None
    lists: Path | None


def _write(bundle: Bundle, path: Path, options: FaissOptions, queries: Any, notes: dict[str, Any]) -> Report:
    began = time.perf_counter()
    nprobe, stated = stored_nprobe(bundle, options.nprobe), {**options.stated(bundle), **notes}
    with_map = bundle.string_ids and options.parts is None
    with _places(path, with_map=with_map, with_lists=options.on_disk) as places:
        if places.lists is not None:
            loads = slices_of(bundle)
            if options.parts is not None:
                loads = open_parts(bundle, options.parts, check=options.check_parts)
            index = build_on_disk(
                bundle,
                loads,
                places.lists,
                nprobe,
                hnsw=options.hnsw,
                residual_quantizer=options.residual_quantizer,
            )
            write_index(index, places.index)
            sync_file(places.lists)
            written = time.perf_counter()
            agreement, rows = check_file_on_disk(bundle, loads, places.index, nprobe, stated, queries)
        else:
            index = build_index(
                bundle,
                nprobe,
                fastscan=bool(options.fastscan),
                hnsw=options.hnsw,
                refine=options.refine,
                vectors=options.vectors,
                k_factor=options.k_factor,
                residual_quantizer=options.residual_quantizer,
            )
            write_index(index, places.index)
            written = time.perf_counter()
            agreement, rows = check_file(bundle, places.index, queries, stated, options.vectors), len(bundle)
        checked = time.perf_counter()
        sync_file(places.index)
        report = Report.of(
            bundle,
            agreement,
            engine="faiss",
            path=path,
            size=places.index.stat().st_size,
            nprobe=nprobe,
            began=began,
            written=written,
            checked=checked,
            options=stated,
        )
        notes_of_form = [NOTE] if repeats_of(bundle, residual_quantizer=options.residual_quantizer) else []
        report = replace(
            report,
            rows=rows,
            sha256=file_sha256(places.index),
            blocks=block_checksums(places.index),
            notes=notes_of_form,
        )
        if places.lists is not None:
            report = replace(
                report,
                lists_file=places.lists.name,
                lists_sha256=file_sha256(places.lists),
                lists_blocks=block_checksums(places.lists),
            )
        if options.parts is not None:
            # Rows of other items than the bundle's, whose ids are integers.
            report = replace(report, items_sha256="", id_type="int64")
        if places.id_map is not None:
            _write_map(bundle, places.id_map)
        _move_into_place(path, places, report)
    for former in former_data_files(path, keep=places.lists):
        former.unlink()
    return report


@contextmanager
def _places(path: Path, *, with_map: bool, with_lists: bool) -> Iterator[_Places]:
    """Names beside the final ones. What is left of them at the end is deleted."""
    lists = data_file(path) if with_lists else None
    places = _Places(place_beside(path), place_beside(map_file(path)) if with_map else None, lists)
    moved = False
    try:
        yield places
        moved = True
    finally:
        for place in (places.index, places.id_map, *(() if moved else (lists,))):
            if place is not None:
                place.unlink(missing_ok=True)


def _move_into_place(path: Path, places: _Places, report: Report) -> None:
    """Map, file, report: no file ever has the report of another one.

    A process that dies in between leaves a file without a report. No integer ever means another item.
    """
    sidecar_of(path).unlink(missing_ok=True)
    if places.id_map is not None:
        os.replace(places.id_map, map_file(path))
    os.replace(places.index, path)
    if places.id_map is None and is_id_map(map_file(path)):
        map_file(path).unlink()
    write_text(sidecar_of(path), replace(report, path=path.name).to_json())
    sync_directory(path.absolute().parent)


def _write_map(bundle: Bundle, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(id_table(bundle), path, compression="zstd", use_dictionary=False)
    sync_file(path)


def check_file(
    bundle: Bundle, path: Path, queries: Any = None, stated: dict[str, Any] | None = None, vectors: Any = None
) -> Agreement:
    """Check a written file: compare all ids and codes, then scores and ranks of a sample of queries.

    Args:
        bundle: the bundle that was written.
        path: the file.
        queries: ``(nq, dim)``; None takes `sample_queries`.
        stated: options for the report. Measurements of them are added here.
        vectors: the vectors for ``refine``.
    Returns:
        the differences between faiss and the reference.
    Raises:
        EngineMismatch: something differs.
    """
    stated = {} if stated is None else stated
    index = read_index(path)
    _check_rows(bundle, index)
    if "hnsw" in stated:
        stated["lists_found"] = check_graph(bundle, index, parts_of(index).inner.nprobe, queries)
    if "refine" not in stated:
        return check_scores(bundle, index, queries)
    base, rows = base_of(index, bundle)
    agreement = check_scores(rows, base, queries)
    stated["refined_score_error"] = check_refined(bundle, index, stated["refine"], vectors, queries)
    return agreement


def check_file_on_disk(
    bundle: Bundle, loads: list[Load], path: Path, nprobe: int, stated: dict[str, Any], queries: Any = None
) -> tuple[Agreement, int]:
    """Check a written file as `check_file` does, with one part in memory. Return also the number of rows."""
    index = read_index(path)
    check_lists(loads, index)
    if "hnsw" in stated:
        stated["lists_found"] = check_graph(bundle, index, nprobe, queries)
    searcher = FaissSearcher(index)
    adapter = bundle.arrays.get("query_adapter")

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        prepared = prepare_queries(queries, bundle.dim, bundle.metric, adapter)
        return searcher.search_stored(prepared, k, nprobe=bundle.spec.nlist)

    return check_parts(loads, search, engine="faiss", queries=queries), index.ntotal


def _check_rows(bundle: Bundle, index: faiss.Index) -> None:
    """Compare all ids and codes: a sample of queries would not show one wrong row in a million."""
    ids, codes, sizes = stored_rows(index)
    expected_ids, expected_codes = bundle.int64_ids, stored_codes(bundle)
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

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
from poeem.engines.faiss.build import build_index, engine_ids, stored_codes, stored_nprobe
from poeem.engines.faiss.contents import stored_rows
from poeem.engines.faiss.searcher import FaissSearcher, read_index, sidecar_of
from poeem.engines.report import Report
from poeem.engines.self_check import Agreement, EngineMismatch, check_exact

if TYPE_CHECKING:
    import faiss


def write_faiss(bundle: Bundle, path: Path, *, nprobe: int | None = None, queries: Any = None) -> Report:
    """Write ``path`` for plain `faiss.read_index`, and its report as ``path.json``.

    Args:
        bundle: what to write.
        path: the file; one that is there is replaced only by a file that has passed the self-check.
        nprobe: lists visited per query, stored in the file; None takes the training's, or else nlist's square root.
        queries: ``(nq, dim)`` for the self-check; None takes some of the items, moved a little.
    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: ``path`` is a folder, or an option is wrong.
        EngineMismatch: faiss disagrees with the reference; nothing is kept.
    """
    import faiss

    began = time.perf_counter()
    _check_place(path)
    index = build_index(bundle, nprobe)
    new = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        faiss.write_index(index, str(new))
        written = time.perf_counter()
        agreement = check_file(bundle, new, queries)
        checked = time.perf_counter()
        sync_file(new)
        report = Report(
            engine="faiss",
            path=str(path),
            spec=str(bundle.spec),
            metric=bundle.metric,
            dim=bundle.dim,
            rows=len(bundle),
            bytes=new.stat().st_size,
            fingerprint=bundle.fingerprint,
            items_sha256=bundle.files["items.parquet"].sha256,
            id_type="string" if bundle.string_ids else "int64",
            query_adapter="query_adapter" in bundle.arrays,
            nlist=bundle.spec.nlist,
            nprobe=stored_nprobe(bundle, nprobe),
            seconds=round(checked - began, 4),
            check_seconds=round(checked - written, 4),
            worst_score_error=agreement.worst_score_error,
            rank_agreement=agreement.rank_agreement,
            queries_checked=agreement.queries,
            results_checked=agreement.results,
        )
        # In this order no moment pairs a file with the report of another one.
        sidecar_of(path).unlink(missing_ok=True)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    sidecar_of(path).write_text(replace(report, path=path.name).to_json(), encoding="utf-8")
    return report


def check_file(bundle: Bundle, path: Path, queries: Any = None) -> Agreement:
    """The self-check on the file as faiss reads it: every stored byte, then the scores and ranks of a sample.

    Raises:
        EngineMismatch: something differs.
    """
    index = read_index(path)
    _check_rows(bundle, index)
    searcher = FaissSearcher(index, bundle)

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores, ids = searcher.search_stored(queries, k, nprobe=max(1, bundle.spec.nlist))
        if bundle.string_ids:
            return scores, ids
        try:
            return scores, bundle.row_of(ids.ravel()).reshape(ids.shape)
        except ValueError as error:
            raise EngineMismatch(
                f"faiss returns fewer than {k} items, or unknown ones ({error}); nothing was kept"
            ) from None

    return check_exact(bundle, search, engine="faiss", queries=queries)


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
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} into; create it first")

"""Build an IVF index whose inverted lists stay on disk, with one part of the items in memory at a time."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.build import build_index, stored_codes
from poeem.engines.faiss.coded_parts import Load
from poeem.engines.faiss.index_file import write_index
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.faiss.redirect_stdout import prints_on_stderr
from poeem.engines.faiss.stored_rows import list_rows
from poeem.engines.self_check import EngineMismatch

if TYPE_CHECKING:
    import faiss

_ROWS_AT_ONCE = 2**22


def slices_of(bundle: Bundle, rows: int = _ROWS_AT_ONCE) -> list[Load]:
    """Return functions that each load at most ``rows`` rows of a bundle, as a bundle with integer ids."""
    whole = replace(bundle, ids=bundle.int64_ids, columns=None)

    def part(some: slice) -> Bundle:
        return replace(
            whole,
            ids=whole.ids[some],
            codes=whole.codes[some],
            lists=None if whole.lists is None else whole.lists[some],
        )

    return [lambda first=first: part(slice(first, first + rows)) for first in range(0, len(bundle), rows)]


def build_on_disk(
    bundle: Bundle,
    parts: Iterable[Load],
    data: Path,
    nprobe: int,
    *,
    hnsw: bool = False,
    residual_quantizer: bool = False,
) -> faiss.Index:
    """Build an index over all parts whose inverted lists are in the file ``data``.

    The index stores only the name of that file, not its folder. So both files can be moved together.

    Args:
        bundle: the bundle whose arrays encoded the parts.
        parts: functions that load one part each; called one after another.
        data: the file of the lists to write. Temporary files are written beside it.
        nprobe: default number of lists visited per query.
        hnsw, residual_quantizer: see `build_index`.
    Returns:
        the index.
    Raises:
        ValueError: the bundle's index is flat.
        OSError: the disk has no room for the lists.
    """
    import faiss
    from faiss.contrib.ondisk import merge_ondisk

    if not bundle.spec.nlist:
        raise ValueError(f"only inverted lists can stay on disk, and {bundle.spec} has none; train with IVF<nlist>")
    files: list[Path] = []
    rows = 0
    try:
        for load in parts:
            part = load()
            files.append(data.with_name(f"{data.name}.part-{len(files):05d}"))
            filled = build_index(
                part, nprobe, residual_quantizer=residual_quantizer
            )  # named, as its parts live no longer than it does
            write_index(parts_of(filled).inner, files[-1])
            rows += len(part)
        empty = replace(bundle, ids=bundle.ids[:0], codes=bundle.codes[:0], lists=np.zeros(0, np.int32), columns=None)
        index: Any = build_index(empty, nprobe, hnsw=hnsw, residual_quantizer=residual_quantizer)
        inner = parts_of(index).inner
        _check_room(data, sum(file.stat().st_size for file in files))
        with prints_on_stderr():
            merge_ondisk(inner, [str(file) for file in files], str(data))
        # Found again beside the index, wherever both are moved.
        lists: Any = faiss.downcast_InvertedLists(inner.invlists)
        lists.filename = data.name
        index.ntotal = inner.ntotal = rows
        return index
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _check_room(data: Path, size: int) -> None:
    """Refuse a disk without room for the lists: faiss maps their file, and a process dies of a full disk there.

    Raises:
        OSError: there is no room.
    """
    free = shutil.disk_usage(data.parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"No space left for lists of {size:,} bytes ({free:,} are free)", str(data))


def check_lists(parts: Iterable[Load], index: faiss.Index) -> None:
    """Compare every id and code in the lists with the parts that they were merged from.

    Raises:
        EngineMismatch: something differs.
    """
    inner = parts_of(index).inner
    done = np.zeros(inner.nlist, dtype=np.int64)
    for load in parts:
        part = load()
        assert part.lists is not None
        order = np.argsort(part.lists, kind="stable")
        ids, codes = part.int64_ids[order], stored_codes(part)[order]
        sizes = np.bincount(part.lists, minlength=inner.nlist)
        starts = np.cumsum(sizes) - sizes
        for number in np.flatnonzero(sizes).tolist():
            found_ids, found_codes = list_rows(inner, number)
            there, here = (slice(a, a + sizes[number]) for a in (done[number], starts[number]))
            if not (np.array_equal(found_ids[there], ids[here]) and np.array_equal(found_codes[there], codes[here])):
                raise EngineMismatch("faiss does not hold the ids and codes of the parts as written; nothing was kept")
        done += sizes
    found = np.array([inner.invlists.list_size(i) for i in range(inner.nlist)])
    if not np.array_equal(found, done) or index.ntotal != done.sum():
        raise EngineMismatch("faiss does not hold as many rows as the parts; nothing was kept")


def data_file(path: Path) -> Path:
    """Return a random name for the file of lists of the index file ``path``, so that no existing file is replaced."""
    return path.with_name(f"{path.name}.{os.urandom(4).hex()}.ivfdata")


def former_data_files(path: Path, keep: Path | None) -> list[Path]:
    """Return the files of lists that earlier or interrupted exports of ``path`` left, except ``keep``."""
    found = path.parent.glob(f"{glob.escape(path.name)}.*.ivfdata*")
    return [file for file in found if keep is None or file.name != keep.name]

"""Encoding of vectors, or of items that a run knows, into Parquet parts with ids, lists and codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle import Bundle
from poeem.bundle.ids import ids_to_arrow
from poeem.training.encoding.distinct_ids import repeated_id
from poeem.training.encoding.encode_part import PartEncoder
from poeem.training.encoding.encode_progress import rows_progress
from poeem.training.encoding.on_ray import encode_on_ray
from poeem.training.encoding.open_source import EncodeJob, open_owner, open_source
from poeem.training.encoding.parquet_source import ParquetSource
from poeem.training.encoding.parts_folder import PartsFolder, check_free
from poeem.training.encoding.processes import encode_in_processes
from poeem.training.encoding.source import Source
from poeem.training.recipes.recipe import Run

ROWS_A_PART = 2**20


def encode_items(
    source: Run | Bundle,
    items: str | Path,
    out: str | Path,
    *,
    column: str | None = None,
    rows_a_part: int = ROWS_A_PART,
    device: str = "cpu",
    processes: int = 1,
    ray: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Encode items and write their codes, packed as in a bundle, to Parquet files ``out/part-00000.parquet`` and so on.

    The columns are ``id``, ``list`` (if there are lists) and ``code``. A few thousand rows per process are in memory at
    a time. If the encoding is interrupted, the same call resumes it: complete parts stay. If an item cannot be encoded,
    all parts are deleted.

    Args:
        source: a stored run or a bundle.
        items: ``.npy`` with item vectors ``(n, dim)`` before the index; ids are row numbers. Or Parquet files (a file,
            folder or glob) of vectors; ids are their column ``id``, else row numbers over all files. For a run also
            items that its model encodes: texts in Parquet files, or see ``items_of_file`` of the run.
        out: folder to write; must be empty or absent, or left by an interrupted call.
        column: column of the vectors in Parquet files; default the only one that holds lists of floats.
        rows_a_part: rows per part. Parts of Parquet files have whole row groups, and rows of one file.
        device: where codes are computed: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        processes: processes that encode, with one thread each; 1 encodes in this process.
        ray: encode on Ray Data, on the cluster of ``RAY_ADDRESS`` or on a local one, with ``processes`` actors.
        progress: show rows/s and remaining time on stderr.
    Returns:
        the content of ``out/_poeem.json``: number of rows and parts, spec, fingerprint, and the identity of the input.
    Raises:
        ValueError: a file cannot be used, an id is unknown or repeated, a vector is not finite, ``out`` is not empty or
            of another encoding, or ray is not installed.
        ChildProcessError: one of the processes died.
    """
    out, bundle = Path(out), source if isinstance(source, Bundle) else source.bundle
    for name, number in (("rows_a_part", rows_a_part), ("processes", processes)):
        if number < 1:
            raise ValueError(f"{name} (={number}) must be at least 1")
    check_free(out)
    if Path(items).is_dir() and out.resolve().is_relative_to(Path(items).resolve()):
        raise ValueError(f"out (={str(out)!r}) lies in the folder of the items; choose a place outside of it")
    job = EncodeJob(
        folder=(source.path if isinstance(source, Bundle) else source.folder.path).absolute(),
        items=Path(items).absolute(),
        column=column,
        device=device,
        out=out.absolute(),
        rows_a_part=rows_a_part,
    )
    opened = open_source(source, Path(items), column)
    _check_ids(opened, rows_a_part)
    parts = opened.parts(rows_a_part)
    folder = PartsFolder(out, facts_of(bundle, opened, rows_a_part))
    try:
        todo = folder.begin(parts)
    except OSError:
        folder.delete_if_without_parts()
        raise
    total = sum(part.rows for part in parts)
    try:
        with rows_progress(total, total - sum(part.rows for part in todo), show=progress) as update:
            if todo and ray:
                encode_on_ray(make_encoder, job, todo, processes, update)
            elif todo and processes > 1:
                encode_in_processes(make_encoder, job, todo, processes, update)
            else:
                encoder = PartEncoder(bundle, opened, folder, device)
                for part in todo:
                    encoder.encode(part, update)
    except OSError:
        # The disk is full, say, before the first part was complete.
        folder.delete_if_without_parts()
        raise
    except ValueError:
        # Items have to be changed, and then no part is of use.
        folder.delete()
        raise
    return folder.finish()


def make_encoder(job: EncodeJob) -> PartEncoder:
    """Return the encoder of a job, in a process of its own.

    Raises:
        ValueError: the items have changed since the job began.
    """
    owner = open_owner(job.folder, job.device)
    bundle = owner if isinstance(owner, Bundle) else owner.bundle
    source = open_source(owner, job.items, job.column)
    return PartEncoder(bundle, source, PartsFolder(job.out, facts_of(bundle, source, job.rows_a_part)), job.device)


def facts_of(bundle: Bundle, source: Source, rows_a_part: int) -> dict[str, Any]:
    """Return the facts of an encoding, see `PartsFolder`."""
    parts = source.parts(rows_a_part)
    return {
        "spec": str(bundle.spec),
        "fingerprint": bundle.fingerprint,
        "rows": sum(part.rows for part in parts),
        "parts": len(parts),
        "rows_a_part": rows_a_part,
        "source": source.identity,
    }


def _check_ids(source: Source, rows_a_part: int) -> None:
    """Raise a ValueError if an id of Parquet files is there twice: an engine would return both rows."""
    if isinstance(source, ParquetSource) and source.id_column is not None:
        rows = sum(part.rows for part in source.parts(rows_a_part))
        twice = repeated_id(source.id_batches, rows)
        if twice is not None:
            raise ValueError(
                f"{source.files[0].parent}: column {source.id_column!r}: ids must be unique: {twice!r} is there more "
                "than once; keep one row per item"
            )


def ids_beside(path: Path, rows: int) -> Any:
    """Return the ids of a file of vectors: its column ``id`` if it has one, else row numbers.

    Args:
        path: ``.npy`` or Parquet.
        rows: number of vectors in it.
    Raises:
        ValueError: the column ``id`` cannot be used, for instance because an id repeats.
    """
    if path.suffix == ".npy":
        return np.arange(rows)
    import pyarrow.parquet as pq

    if "id" not in pq.read_schema(path).names:
        return np.arange(rows)
    try:
        return ids_to_arrow(pq.read_table(path, columns=["id"])["id"])
    except ValueError as error:
        raise ValueError(f"{path}: column 'id': {error}") from None

"""Encoding of vectors, or of items that a run knows, into Parquet parts with ids, lists and codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle import Bundle
from poeem.bundle.atomic import replace_directory, staging
from poeem.bundle.encoder import Encoder
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import Items, ItemsWriter
from poeem.data.vectors import read_vectors, release_pages
from poeem.training.devices import torch_device
from poeem.training.recipes.recipe import Run

ROWS_A_PART = 2**20
# Rows in memory at a time.
BLOCK_ROWS = 2**15
# Readers of data sets skip names that begin with an underscore.
FACTS_FILE = "_poeem.json"


def encode_items(
    source: Run | Bundle,
    items: str | Path,
    out: str | Path,
    *,
    column: str | None = None,
    rows_a_part: int = ROWS_A_PART,
    device: str = "cpu",
) -> dict[str, Any]:
    """Encode items and write their codes, packed as in a bundle, to Parquet files ``out/part-00000.parquet`` and so on.

    The columns are ``id``, ``list`` (if there are lists) and ``code``.

    Args:
        source: a stored run or a bundle.
        items: ``.npy`` with item vectors ``(n, dim)`` before the index; ids are row numbers. For a run also a file
            of items that its model encodes, see ``items_of_file`` of the run. For a bundle also a Parquet file of
            vectors; ids are its column ``id``, else row numbers.
        out: folder to write; must be empty or absent.
        column: column of the vectors in a Parquet file; default the only one that holds lists of floats.
        rows_a_part: rows per part.
        device: where codes are computed: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Returns:
        the content of ``out/_poeem.json``: number of rows and parts, spec and fingerprint.
    Raises:
        ValueError: a file cannot be used, an id is unknown, a vector is not finite, or ``out`` is not empty.
    """
    items, out = Path(items), Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"out (={str(out)!r}) is there already; choose another folder")
    bundle = source if isinstance(source, Bundle) else source.bundle
    if isinstance(source, Bundle) or items.suffix == ".npy" or column is not None:
        blocks = _from_vectors(bundle.dim, items, column, rows_a_part)
    else:
        blocks = _from_model(source, items, rows_a_part)
    encoder, spec = Encoder(bundle, torch_device(device)), bundle.spec
    facts: dict[str, Any] = {"spec": str(spec), "fingerprint": bundle.fingerprint, "rows": 0, "parts": 0}
    with staging(out) as new, ExitStack() as writers:
        for ids, vectors in blocks:
            try:
                codes, lists = encoder.encode(vectors)
            except ValueError as error:
                raise ValueError(f"{items}, rows from {facts['rows']}: {error}") from None
            if facts["rows"] % rows_a_part == 0:
                writers.close()
                file = new / f"part-{facts['parts']:05d}.parquet"
                writer = writers.enter_context(ItemsWriter(file, spec.nbits))
                facts["parts"] += 1
            writer.write(Items(ids_to_arrow(ids), codes, lists, columns=None))
            facts["rows"] += len(vectors)
        writers.close()
        (new / FACTS_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        replace_directory(new, out)
    return facts


def _from_vectors(dim: int, path: Path, column: str | None, rows: int) -> Iterator[tuple[Any, np.ndarray]]:
    vectors = read_vectors(path, dim=dim, column=column)
    ids = None if path.suffix == ".npy" else ids_beside(path, len(vectors))
    for block_rows in _blocks(len(vectors), rows):
        with np.errstate(over="ignore"):
            block = np.array(vectors[block_rows], dtype=np.float32)
        if not np.isfinite(block).all():
            row = block_rows.start + int(np.argmin(np.isfinite(block).all(1)))
            raise ValueError(f"{path}: row {row} holds NaN or infinity in float32; fix or drop it")
        release_pages(vectors)
        yield np.arange(block_rows.start, block_rows.stop) if ids is None else ids[block_rows], block


def _blocks(total: int, rows_a_part: int) -> Iterator[slice]:
    """Slices of at most `BLOCK_ROWS` rows, none of which crosses the end of a part."""
    for part in range(0, total, rows_a_part):
        end = min(part + rows_a_part, total)
        for start in range(part, end, BLOCK_ROWS):
            yield slice(start, min(start + BLOCK_ROWS, end))


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


def _from_model(run: Run, path: Path, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    ids, vectors_of = run.items_of_file(path)
    for block_rows in _blocks(len(ids), rows):
        yield ids[block_rows], vectors_of(block_rows)

"""Codes of items, in Parquet parts: vectors from anywhere, or items that a run knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.bundle.atomic import replace_directory, staging
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import Items, write_items
from poeem.data.columns import read_ids
from poeem.data.tables import read_table
from poeem.data.vectors import read_vectors
from poeem.training.load import Run
from poeem.training.lookup import Lookup

ROWS_A_PART = 2**20
# No data set reader takes a name with an underscore for a part.
FACTS_FILE = "_poeem.json"


def encode_items(run: Run, items: str | Path, out: str | Path, *, rows_a_part: int = ROWS_A_PART) -> dict[str, Any]:
    """Write ``out/part-00000.parquet`` and on: ``id``, ``list`` if there are lists, and ``code`` packed as in a bundle.

    Args:
        run: the stored run.
        items: ``.npy`` with vectors ``(n, dim)`` of the item tower (ids are then row numbers), or a Parquet or CSV file
            with a column ``item`` of ids that the run knows.
        out: folder to write; must be empty or absent.
        rows_a_part: rows of a part.
    Returns:
        rows, parts, spec and fingerprint, as they stand in ``out/_poeem.json`` too.
    Raises:
        ValueError: a file that cannot be used, an unknown id, a vector that is not finite, or ``out`` is taken.
    """
    items, out = Path(items), Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"out (={str(out)!r}) is there already; choose another folder")
    source = _from_vectors if items.suffix == ".npy" else _from_ids
    index, spec = run.model.index, run.bundle.spec
    assert index is not None
    facts: dict[str, Any] = {"spec": str(spec), "fingerprint": run.bundle.fingerprint, "rows": 0, "parts": 0}
    with staging(out) as new:
        for ids, vectors in source(run, items, rows_a_part):
            try:
                codes, lists = index.encode(torch.from_numpy(vectors).to(index.device))
            except ValueError as error:
                raise ValueError(f"{items}, rows from {facts['rows']}: {error}") from None
            part = Items(
                ids=ids_to_arrow(ids),
                codes=codes.cpu().numpy().astype(np.uint8),
                lists=None if lists is None else lists.cpu().numpy().astype(np.int32),
                columns=None,
            )
            write_items(new / f"part-{facts['parts']:05d}.parquet", part, spec.nbits)
            facts["rows"] += len(vectors)
            facts["parts"] += 1
        (new / FACTS_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        replace_directory(new, out)
    return facts


def _from_vectors(run: Run, path: Path, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    vectors = read_vectors(path, dim=run.bundle.dim)
    for start in range(0, len(vectors), rows):
        block = np.array(vectors[start : start + rows], dtype=np.float32)
        if not np.isfinite(block).all():
            row = start + int(np.argmin(np.isfinite(block).all(1)))
            raise ValueError(f"{path}: row {row} holds NaN or infinity; mend or drop it")
        yield np.arange(start, start + len(block)), block


def _from_ids(run: Run, path: Path, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    table = read_table(path, text_columns=("item",))
    if "item" not in table.column_names:
        found = ", ".join(map(repr, table.column_names))
        raise ValueError(f"{path}: column 'item' is missing (found: {found}); rename the column that holds the ids")
    try:
        lookup = Lookup(run.interactions.item_ids, "item")
        numbers = np.array([lookup.number(str(one)) for one in read_ids(table["item"], "item").to_pylist()], np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(numbers) == 0:
        raise ValueError(f"{path}: there are no rows; at least one item is needed")
    for start in range(0, len(numbers), rows):
        part = numbers[start : start + rows]
        yield run.interactions.item_ids[part], run.items(part)

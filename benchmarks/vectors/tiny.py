"""Tiny files in the form that `poeem bench` reads, for `--smoke`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ITEMS, QUERIES, TRAINING, DIM = 2_000, 100, 600, 160  # DIM is divisible by every number of bytes that is measured


def write_tiny(folder: Path) -> None:
    """Write items, and as test and training queries noisy copies of items: ``.npy``, relevant items ``.parquet``."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    items = rng.standard_normal((ITEMS, DIM), dtype=np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    np.save(folder / "items.npy", items)
    for name, rows in (("test", QUERIES), ("train", TRAINING)):
        relevant = rng.integers(0, ITEMS, rows)
        queries = items[relevant] + 0.1 * rng.standard_normal((rows, DIM), dtype=np.float32)
        np.save(folder / f"{name}.npy", queries / np.linalg.norm(queries, axis=1, keepdims=True))
        pq.write_table(pa.table({"query": np.arange(rows), "item": relevant}), folder / f"{name}.parquet")

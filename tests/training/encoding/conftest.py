"""A trained bundle, and the same vectors as ``.npy`` and as Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from poeem.bundle import Bundle
from poeem.layers.embedding_index import EmbeddingIndex

DIM, ROWS = 8, 700


class World(NamedTuple):
    """Bundle, vectors ``(ROWS, DIM)``, and their codes and lists by the layer itself."""

    bundle: Bundle
    vectors: np.ndarray
    codes: np.ndarray
    lists: np.ndarray


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    x = torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(0))
    layer = EmbeddingIndex(DIM, "OPQ2,IVF4,PQ2x4", metric="l2")
    layer.warm_start(x)
    bundle = layer.eval().bundle(np.arange(ROWS), x, tmp_path_factory.mktemp("bulk") / "bundle")
    codes, lists = layer.encode(x)
    assert lists is not None
    return World(bundle, x.numpy(), codes.numpy(), lists.numpy())


def write_files(folder: Path, vectors: np.ndarray, ids: list | None, *, files: int = 3, group: int = 50) -> Path:
    """Write vectors to Parquet files with small row groups; returns the pattern of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(len(vectors)), files)):
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors[rows].ravel()), vectors.shape[1])
        columns = {"v": lists} if ids is None else {"id": pa.array([ids[row] for row in rows]), "v": lists}
        pq.write_table(pa.table(columns), folder / f"items-{number}.parquet", row_group_size=group)
    return folder / "items-*.parquet"


def read_parts(folder: Path) -> tuple[list, np.ndarray, np.ndarray]:
    """Ids, codes of ``PQ2x4`` by hand (low half first), and lists of the parts in the order of their names."""
    tables = [pq.read_table(file) for file in sorted(folder.glob("*.parquet"))]
    table = pa.concat_tables(tables)
    packed = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8)
    return table["id"].to_pylist(), np.stack([packed & 15, packed >> 4], axis=1), table["list"].to_numpy()

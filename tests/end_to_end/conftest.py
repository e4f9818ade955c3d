"""A run trained by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.cli.main import main


@pytest.fixture(scope="session")
def options() -> list[str]:
    """Of the training of `run`."""
    chosen = "--index OPQ2,IVF4,PQ2x4 --dim 8 --steps 40 --batch-size 64 --lr 0.01 --device cpu --baselines opq"
    return chosen.split()


@pytest.fixture(scope="session")
def file(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item * 8 + user % 8}", place)
        for user in range(120)
        for place, item in enumerate(rng.choice(10, int(rng.integers(3, 10)), replace=False))
    ]
    users, items, times = zip(*rows)
    path = tmp_path_factory.mktemp("data") / "events.parquet"
    table = {"user": users, "item": items, "timestamp": times, "title": [f"Title of {item}" for item in items]}
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="session")
def run(file, options, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--interactions", str(file), "--out", str(folder), *options]) == 0
    return folder

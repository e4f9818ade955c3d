"""A trained run, once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.cli.main import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run of 100 users and 80 items with titles."""
    folder = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(0)
    events = [
        (f"u{user}", f"i{item * 8 + user % 8}", place)
        for user in range(100)
        for place, item in enumerate(rng.choice(10, 6, replace=False))
    ]
    users, items, times = zip(*events)
    columns = {"user": users, "item": items, "timestamp": times, "title": [f"Title of {item}" for item in items]}
    pq.write_table(pa.table(columns), folder / "events.parquet")
    words = "--index OPQ2,IVF4,PQ2x4 --dim 8 --steps 30 --batch-size 64 --device cpu --baselines none"
    argv = ["train", "--interactions", str(folder / "events.parquet"), "--out", str(folder / "run"), *words.split()]
    assert main(argv) == 0
    return folder / "run"

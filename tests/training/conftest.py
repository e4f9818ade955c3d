"""A small world of interactions, users who stay within a group of items; and a run on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from poeem.data.interactions import Interactions, with_item_table
from poeem.training.recipes.interactions import train_interactions


@pytest.fixture(scope="session")
def small() -> Interactions:
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(120):
        taken = rng.choice(10, int(rng.integers(3, 10)), replace=False) * 8 + user % 8
        users += [f"u{user}"] * len(taken)
        items += [f"i{item}" for item in taken]
    # Met by one user only, last: the item has no training event.
    events = Interactions.from_columns(user=[*users, "u0"], item=[*items, "i99"])
    titles = [f"Title of {one}" for one in events.item_ids]
    # A column of a name that the bundle needs for itself.
    table = pa.table({"item": pa.array(events.item_ids), "title": titles, "list": list(range(len(titles)))})
    return with_item_table(events, table)


@pytest.fixture(scope="session")
def finished(small: Interactions, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished run, not to be changed, and what the training returned."""
    folder = tmp_path_factory.mktemp("run") / "run"
    metrics = train_interactions(
        small, spec="OPQ2,IVF4,PQ2x4", out=folder, dim=8, steps=60, batch_size=64, lr=0.01, device="cpu", show=False
    )
    return folder, metrics


@pytest.fixture
def copied(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A run of one's own, to damage."""
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))

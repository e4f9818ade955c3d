"""A small world to attack: a trained run, a fit, exported files and inputs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.durability.child import run

TRAIN = (
    "train --interactions events.csv --index OPQ2,IVF4,PQ2x4 --dim 8 --steps 12 --batch-size 32 --baselines none "
    "--device cpu --out"
)
FIT = "fit --items items.npy --queries queries.npy --index PQ4 --epochs 1 --device cpu --out"


@contextmanager
def world(seed: int, *, trained: bool = True) -> Iterator[Path]:
    """A folder with ``run`` (trained), ``frozen`` (a fit), ``items.faiss`` of the run, and input files."""
    place = Path("/dev/shm")
    with TemporaryDirectory(dir=place if place.is_dir() else None) as name:
        folder = Path(name) / "world"
        folder.mkdir()
        write_inputs(folder, seed)
        commands = [f"{FIT} frozen"]
        if trained:
            commands += [f"{TRAIN} run", "export run --out items.faiss", "encode run --items coded.npy --out parts"]
        for command in commands:
            outcome = run(command.split(), folder, learn=True)
            if outcome.code != 0:
                raise RuntimeError(f"poeem {command}: {outcome.error}")
        yield folder


def write_inputs(folder: Path, seed: int) -> None:
    """Interactions, vectors, ids."""
    rng = np.random.default_rng(seed)
    lines = ["user,item,timestamp"]
    for user in range(40):
        lines += [f"u{user},i{item},{time}" for time, item in enumerate(rng.choice(30, 6, replace=False))]
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    for name, rows in (("items", 600), ("queries", 50)):
        np.save(folder / f"{name}.npy", rng.standard_normal((rows, 16)).astype("float32"))
    # `rows` are as many as the items of the run, `coded` are others.
    for name, rows in (("rows", 30), ("coded", 20), ("new", 3)):
        np.save(folder / f"{name}.npy", rng.standard_normal((rows, 8)).astype("float32"))
    (folder / "new.csv").write_text("id,title\nn1,lamp\nn2,chair\nn3,shelf\n")
    (folder / "old.txt").write_text("i3\ni4\n")


def copy_of(folder: Path) -> Path:
    """A fresh copy beside the world; the copy before it is deleted."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, symlinks=True)
    return copy


def leftovers(folder: Path) -> list[str]:
    """Files that no finished command leaves: staging folders, swaps, locks, half-written files."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".*"))

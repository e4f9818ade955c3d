"""``kill -9`` at random moments of every command that writes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.durability.child import run
from benchmarks.durability.world import FIT, TRAIN, copy_of, leftovers

# Commands, and the folder or file that each writes.
COMMANDS = {
    "add": ("add run --items new.npy --ids new.csv", "run"),
    "compact": ("compact run", "run"),
    "export": ("export run --out new.faiss", "new.faiss"),
    "encode": ("encode run --items coded.npy --out new", "new"),
    "delete": ("delete run --ids old.txt", "run"),
    "refresh": ("refresh run --out items.faiss", "items.faiss"),
    "train": (f"{TRAIN} new", "new"),
    "fit": (f"{FIT} new", "new"),
}


def attack(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Kill a command, look at what stands there, run it again, and look for leftovers.

    A command that ends before it is killed is checked too, and then killed in a further trial: as many are killed as
    are asked for, unless most commands end first.
    """
    rng = np.random.default_rng(seed)
    names = list(COMMANDS)[:trials]
    seconds = {name: _time(folder, name) for name in names}
    counts = {"trials": 0, "killed": 0, "lost or doubled": 0, "not repeatable": 0, "leftovers": 0}
    while counts["killed"] < trials and counts["trials"] < 3 * trials:
        trial = counts["trials"]
        counts["trials"] += 1
        name = names[trial % len(names)]
        copy = prepared(folder, name)
        before = rows_of(copy)
        command, output = COMMANDS[name]
        outcome = run(command.split(), copy, kill_after=float(rng.uniform(0, seconds[name])))
        counts["killed"] += outcome.code < 0
        found = rows_of(copy)
        if found not in (before, expected(before, name)):
            counts["lost or doubled"] += 1
            tell(f"{trial}: {name}: {len(before)} rows before, {len(found)} after the kill")
        again, done = repeated(copy, name, output, changed=found != before)
        outcome = run(again.split(), copy)
        # A command that had finished before it was killed may refuse to do its work twice.
        if outcome.traceback or outcome.code not in ((0, 2) if done else (0,)):
            counts["not repeatable"] += 1
            tell(f"{trial}: {again}: code {outcome.code}: {outcome.error[-1500:]}")
            continue
        if rows_of(copy) != expected(before, name):
            counts["lost or doubled"] += 1
            tell(f"{trial}: {name}: other rows after the command was repeated")
        left = leftovers(copy)
        if left:
            counts["leftovers"] += 1
            tell(f"{trial}: {name}: leftovers {left}")
    return counts


def prepared(folder: Path, name: str) -> Path:
    """A copy of the world in which a command has something to do."""
    copy = copy_of(folder)
    if name in ("compact", "refresh"):
        run(COMMANDS["add"][0].split(), copy)
    return copy


def rows_of(copy: Path) -> list[str]:
    """The ids of the run's bundle, sorted."""
    from poeem.bundle.read import open_bundle

    return sorted(open_bundle(copy / "run").ids.tolist())


def expected(before: list[str], name: str) -> list[str]:
    """The ids after the command."""
    if name == "add":
        return sorted([*before, "n1", "n2", "n3"])
    return [one for one in before if one not in ("i3", "i4")] if name == "delete" else before


def repeated(copy: Path, name: str, output: str, *, changed: bool) -> tuple[str, bool]:
    """What a user types after the kill, and whether the killed command had finished its work."""
    command = COMMANDS[name][0]
    if name == "train" and (copy / output / "checkpoints").exists():
        return f"{command} --resume", False
    if name == "encode" and (copy / output).exists():
        shutil.rmtree(copy / output)
    return command, changed or (name == "fit" and (copy / output / "metrics.json").exists())


def _time(folder: Path, name: str) -> float:
    """The seconds of a command, the smaller of two: it should rarely end before it is killed."""
    seconds = []
    for _ in range(2):
        copy = prepared(folder, name)
        start = time.perf_counter()
        run(COMMANDS[name][0].split(), copy)
        seconds.append(time.perf_counter() - start)
    return min(seconds)

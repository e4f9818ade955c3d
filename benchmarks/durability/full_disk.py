"""Commands on a disk that is full, and in places that cannot be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.durability.child import run
from benchmarks.durability.kills import COMMANDS, expected, prepared, rows_of
from benchmarks.durability.small_disk import leave_room, small_disk
from benchmarks.durability.world import leftovers

PLACES = ("/proc/new", "/sys/new", "missing/new", "events.csv/new", "read_only/new")


def attack_tmpfs(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """As `attack`, on a file system that is full but for a random number of bytes."""
    with small_disk() as disk:
        if disk is None:
            return {"trials": 0, "skipped": "a tmpfs cannot be mounted here"}
        shutil.copytree(folder, disk / "world", symlinks=True)
        return attack(disk / "world", trials, seed, tell, disk=disk)


def attack(
    folder: Path, trials: int, seed: int, tell: Callable[[str], None], disk: Path | None = None
) -> dict[str, Any]:
    """No file may grow beyond a random size, or ``disk`` is nearly full; then the same command with room."""
    rng = np.random.default_rng(seed)
    counts = {
        "trials": trials,
        "refused": 0,
        "not in one line": 0,
        "rows lost": 0,
        "leftovers": 0,
        "not repeatable": 0,
    }
    sizes = {name: _written(folder, name, max if disk is None else sum) for name in list(COMMANDS)[:trials]}
    for trial in range(trials):
        name = list(COMMANDS)[trial % len(COMMANDS)]
        copy = prepared(folder, name)
        command, before, names = COMMANDS[name][0], rows_of(copy), _names(copy)
        room = int(sizes[name] * rng.random() ** 2)
        if disk is None:
            outcome = run(command.split(), copy, file_bytes=room)
        else:
            filler = leave_room(disk, room)
            outcome = run(command.split(), copy)
            filler.unlink()
        if outcome.code != 0:
            counts["refused"] += 1
            if outcome.traceback or not outcome.refused_in_one_line or outcome.code != 1:
                counts["not in one line"] += 1
                tell(f"{trial}: {name}: code {outcome.code}: {outcome.error[-1500:]}")
            if rows_of(copy) != before:
                counts["rows lost"] += 1
                tell(f"{trial}: {name}: other rows")
            new = _names(copy) - names
            if leftovers(copy) or (name in ("export", "encode", "refresh") and new):
                counts["leftovers"] += 1
                tell(f"{trial}: {name}: leftovers {leftovers(copy)} {sorted(new)[:5]}")
            again = f"{command} --resume" if (copy / "new" / "checkpoints").exists() else command
            outcome = run(again.split(), copy)
            if outcome.code != 0:
                counts["not repeatable"] += 1
                tell(f"{trial}: again {again}: code {outcome.code}: {outcome.error[-1500:]}")
        if rows_of(copy) != expected(before, name):
            counts["rows lost"] += 1
            tell(f"{trial}: {name}: other rows at the end")
    return counts


def places(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Commands that have an ``--out`` into places that cannot be written: refused before any work."""
    counts = {"trials": 0, "refused": 0, "tracebacks": 0, "over 2 s": 0}
    pairs = [(name, place) for name, (_, output) in COMMANDS.items() for place in PLACES if output != "run"]
    rng = np.random.default_rng(seed)
    for name, place in (pairs[i] for i in rng.permutation(len(pairs))):
        if counts["trials"] == trials:
            break
        command, output = COMMANDS[name]
        # A folder is made with those above it; and root may write where others may not.
        if (place.startswith("missing") and output == "new") or (place.startswith("read_only") and os.geteuid() == 0):
            continue
        copy = prepared(folder, name)
        (copy / "read_only").mkdir(mode=0o500)
        words = [place if word == output else word for word in command.split()]
        outcome = run(words, copy)
        counts["trials"] += 1
        good = outcome.code == 2 and outcome.refused_in_one_line and not outcome.traceback
        counts["refused"] += good
        counts["tracebacks"] += not good
        counts["over 2 s"] += outcome.seconds > 2
        if not good or outcome.seconds > 2:
            tell(f"{words}: code {outcome.code}, {outcome.seconds:.1f} s: {outcome.error[-1500:]}")
    return counts


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _written(folder: Path, name: str, together: Callable[[list[int]], int]) -> int:
    """Bytes of the files that a command writes: of the largest one, or of all."""
    copy = prepared(folder, name)
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    run(COMMANDS[name][0].split(), copy)
    written = [
        path.stat().st_size
        for path in copy.rglob("*")
        if path.is_file() and before.get(path) != path.stat().st_mtime_ns
    ]
    return together([1000, *written])

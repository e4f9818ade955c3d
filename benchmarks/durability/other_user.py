"""Commands of a user who may read the files of another one, or not even that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.durability.child import run
from benchmarks.durability.world import FIT, TRAIN, copy_of

NOBODY = 65534
# Commands that read a run, with outputs in a folder of the other user.
READERS = (
    "search run --user u3",
    "search run --item i3",
    "search frozen --queries queries.npy --out own/found.npz",
    "explain run --faiss items.faiss --json",
    "export run --out own/new.faiss",
    "encode run --items coded.npy --out own/parts",
    "diff run run",
    f"{FIT} own/fit",
    f"{TRAIN} own/run",
)
# Commands that would write where only the owner may.
WRITERS = (
    "add run --items new.npy --ids new.csv",
    "delete run --ids old.txt",
    "compact run",
    "refresh run --out items.faiss",
    "evaluate run --baselines none",
    "export run --out new.faiss",
    "search frozen --queries queries.npy --out found.npz",
    "encode run --items coded.npy --out parts2",
    f"{FIT} new",
    f"{TRAIN} new",
    f"{TRAIN} run --resume",
)


def refusal() -> str | None:
    """Why this system cannot act as another user; None if it can."""
    return None if os.geteuid() == 0 else "only root can act as another user"


def attack(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Readers must succeed, and be refused in one line without the right to read; writers must change nothing."""
    reason = refusal()
    if reason is not None:
        return {"trials": 0, "skipped": reason}
    plans = [(command, kind) for command in READERS for kind in ("reads", "may not read")]
    plans += [(command, "may not write") for command in WRITERS]
    counts = {"trials": 0, "refused": 0, "survived": 0, "tracebacks": 0, "wrongly refused": 0, "changed": 0}
    # Nobody may not import what lies in a home folder: all that a command imports is imported before.
    for command in {command for command, _ in plans}:
        run(command.split(), _prepared(folder), learn=True)
    for command, kind in plans[:: max(1, len(plans) // trials)]:
        copy = _prepared(folder)
        if kind == "may not read":
            for path in copy.rglob("*"):
                if path.is_file():
                    path.chmod(0o600)
        before = _state(copy)
        outcome = run(command.split(), copy, user=NOBODY)
        counts["trials"] += 1
        expected = 0 if kind == "reads" else 2
        counts["survived" if outcome.code == 0 else "refused"] += 1
        found = []
        if outcome.traceback or (outcome.code and not outcome.refused_in_one_line):
            found.append("tracebacks")
        elif outcome.code != expected:
            found.append("wrongly refused" if kind == "reads" else "changed")
        if _state(copy) != before:
            found.append("changed")
        for name in found:
            counts[name] += 1
        if found:
            tell(f"{kind}: {command}: {found}, code {outcome.code}: {outcome.error[-1500:]}")
    return counts


def _prepared(folder: Path) -> Path:
    """A copy of the world that others may read, with a folder ``own`` in which they may write."""
    copy = copy_of(folder)
    for path in (*copy.parents[:1], copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (copy / "own").mkdir()
    (copy / "own").chmod(0o777)
    return copy


def _state(copy: Path) -> dict[str, str]:
    """Checksums of all files but those in ``own``."""
    return {
        path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in copy.rglob("*")
        if path.is_file() and not path.is_relative_to(copy / "own")
    }

"""Random damage of checkpoints, configs, metrics, bundles and faiss files."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.durability.child import Outcome, run
from benchmarks.durability.world import TRAIN, copy_of
from poeem.bundle.manifest import manifest_checksum
from poeem.data.checksum import file_sha256

RESUME = f"{TRAIN} run --resume"
# Files by a glob, and the commands that read them.
TARGETS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("run/checkpoints/settings.json", (RESUME,)),
    ("run/checkpoints/step-*/state.json", (RESUME,)),
    ("run/checkpoints/step-*/optimizer.pt", (RESUME,)),
    ("run/checkpoints/step-*/model.safetensors", (RESUME,)),
    (
        "run/model/config.json",
        ("search run --user u3", "evaluate run --baselines none", "encode run --items coded.npy --out new"),
    ),
    ("run/model/weights.safetensors", ("search run --user u3",)),
    ("run/model/*.parquet", ("search run --user u3",)),
    ("run/metrics.json", ("evaluate run --baselines none", "explain run --max-items 1000", RESUME)),
    ("run/bundle/manifest.json", ("search run --item i3", "export run --out new.faiss")),
    ("run/bundle/arrays.safetensors", ("search run --item i3",)),
    ("run/bundle/items.parquet", ("search run --item i3", "diff run run")),
    (
        "items.faiss",
        (
            "refresh run --out items.faiss",
            "explain run --faiss items.faiss",
            "fit --items rows.npy --from-faiss items.faiss --out new --epochs 1",
        ),
    ),
    ("items.faiss.json", ("refresh run --out items.faiss", "explain run --faiss items.faiss")),
    ("items.ids.parquet", ("explain run --faiss items.faiss",)),
    ("parts/*", ("export run --parts parts --out new.faiss",)),
    ("queries.npy", ("search frozen --queries queries.npy --out r.npz",)),
    ("new.csv", ("add run --items new.npy --ids new.csv",)),
    ("events.csv", (RESUME,)),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    "",
    "\u0000",
    "x" * 10_000,
    [],
    {},
    [[]] * 100,
)


def mutate_file(path: Path, rng: np.random.Generator) -> None:
    """Damage a file: bits, cuts, ranges, insertions, exchanges; JSON also by its values."""
    if rng.random() < 0.08:
        _replace_kind(path, int(rng.integers(4)))
        return
    data = bytearray(path.read_bytes())
    if path.suffix == ".json" and rng.random() < 0.6 and _mutate_json(path, rng):
        return
    kind, at = int(rng.integers(8)), int(rng.integers(max(1, len(data))))
    # Headers have the sizes: half of the damage goes there.
    if rng.random() < 0.5:
        at = int(rng.integers(min(len(data) or 1, 200)))
    length = int(rng.integers(1, 64))
    if kind == 0:
        data = data[:at]
    elif kind == 1:
        data[at : at + length] = rng.bytes(length)
    elif kind == 2:
        data[at : at + length] = bytes(length)
    elif kind == 3:
        data[at : at + length] = b"\xff" * length
    elif kind == 4:
        data[at:at] = data[: len(data) // 2]
    elif kind == 5:
        data = bytearray(rng.bytes(int(rng.integers(0, 300))))
    elif data:
        data[at % len(data)] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def _replace_kind(path: Path, kind: int) -> None:
    """A FIFO, a device, a folder, or a link to nothing in the place of a file."""
    path.unlink()
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to("/dev/zero")
    elif kind == 2:
        path.mkdir()
    else:
        path.symlink_to("nowhere")


def _mutate_json(path: Path, rng: np.random.Generator) -> bool:
    """Replace, delete or add a value somewhere."""
    try:
        document = json.loads(path.read_text())
    except ValueError:
        return False
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            places.append((value, key))
            walk(inner)

    walk(document)
    if not places or rng.random() < 0.05:
        document = VALUES[int(rng.integers(len(VALUES)))]
    else:
        holder, key = places[int(rng.integers(len(places)))]
        kind = rng.random()
        if kind < 0.7:
            holder[key] = VALUES[int(rng.integers(len(VALUES)))]
        elif kind < 0.85 or isinstance(holder, list):
            del holder[key]
        else:
            holder["extra"] = VALUES[int(rng.integers(len(VALUES)))]
    path.write_text(json.dumps(document))
    return True


def sign_again(path: Path) -> None:
    """Write the checksums of a damaged file where they are kept, as someone who means harm would."""
    if not path.is_file() or path.is_symlink():
        return
    for name in ("state.json", "config.json", "manifest.json"):
        document = path.with_name(name)
        if (document == path and name != "manifest.json") or not document.is_file():
            continue
        try:
            facts = json.loads(document.read_text())
            if name == "manifest.json":
                facts.pop("checksum", None)
                if path.name in facts["files"]:
                    facts["files"][path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
                facts["checksum"] = manifest_checksum(facts)
            else:
                facts["files"][path.name] = file_sha256(path)
            document.write_text(json.dumps(facts))
        except (ValueError, KeyError, TypeError, AttributeError):
            return
    sidecar = path.with_name(path.name + ".json")
    if sidecar.is_file():
        facts = json.loads(sidecar.read_text())
        facts["bytes"], facts["sha256"] = path.stat().st_size, file_sha256(path)
        sidecar.write_text(json.dumps(facts))


def attack(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Damage one file of a copy of the world, and run a command that reads it."""
    rng = np.random.default_rng(seed)
    counts = {"trials": trials, "refused": 0, "survived": 0, "tracebacks": 0, "hangs over 5 s": 0, "too much memory": 0}
    order = np.arange(len(TARGETS))
    for trial in range(trials):
        if trial % len(TARGETS) == 0:
            order = rng.permutation(len(TARGETS))
        pattern, commands = TARGETS[order[trial % len(TARGETS)]]
        copy = copy_of(folder)
        files = sorted(copy.glob(pattern))
        path = files[int(rng.integers(len(files)))]
        if commands[0] == RESUME and pattern.startswith("run/checkpoints"):
            _unfinish(copy)
        mutate_file(path, rng)
        signed = rng.random() < 0.5
        if signed:
            sign_again(path)
        size = path.stat().st_size if path.is_file() else 0
        command = commands[int(rng.integers(len(commands)))]
        outcome = run(command.split(), copy, limit_seconds=20, limit_wall=30)
        found = judge(outcome, size)
        for name in found:
            counts[name] += 1
        if outcome.code in (0, 1, 2):
            counts["refused" if outcome.code else "survived"] += 1
        if found:
            _say(tell, trial, f"{path.relative_to(copy)}{' signed' if signed else ''}: {command}", found, outcome)
    return counts


def judge(outcome: Outcome, size: int) -> list[str]:
    """What is wrong with the end of a command."""
    found = []
    if outcome.traceback or (outcome.code in (1, 2) and not outcome.refused_in_one_line):
        found.append("tracebacks")
    if outcome.seconds > 5 or outcome.code < 0:
        found.append("hangs over 5 s")
    if outcome.mebibytes > 200 + 4 * size / 2**20:
        found.append("too much memory")
    return found


def _unfinish(copy: Path) -> None:
    """Take the model away: then a resumed training reads its checkpoints."""
    shutil.rmtree(copy / "run" / "model")
    (copy / "run" / "metrics.json").unlink(missing_ok=True)


def _say(tell: Callable[[str], None], trial: int, what: str, found: list[str], outcome: Outcome) -> None:
    last = re.sub(r"\s+", " ", outcome.error[-1500:])
    tell(f"{trial}: {what}: {found}, code {outcome.code}, {outcome.seconds:.1f} s, {outcome.mebibytes:.0f} MiB: {last}")

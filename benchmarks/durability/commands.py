"""Bad command lines, made from the tables of options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.durability.child import run
from benchmarks.durability.world import FIT, TRAIN, copy_of

# Values of settings, as TOML writes them.
SETTINGS = (
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1e300",
    "1e-320",
    "0",
    "-1",
    "1" + "0" * 400,
    "9223372036854775808",
    "true",
    '""',
    '" "',
    '"\\u0000"',
    '"a\\u001b[31m\\u0007b"',
    '"\\n\\n"',
    '"nan"',
    '"1e400"',
    '"../../../etc/passwd"',
    '"/dev/zero"',
    '"fifo"',
    '"run"',
    '"' + "a" * 5000 + '"',
    "[]",
    "[[1]]",
    "{}",
    "{a = 1}",
    "1979-05-27",
)
# A command line of each command that works; not of ``serve``, which does not end.
GOOD = {
    "train": f"{TRAIN} new",
    "fit": f"{FIT} new",
    "evaluate": "evaluate run --baselines none",
    "explain": "explain run --max-items 1000",
    "export": "export run --out new.faiss",
    "search": "search run --item i3",
    "encode": "encode run --items coded.npy --out new",
    "add": "add run --items new.npy --ids new.csv",
    "replace": "replace run --items new.npy --ids old.txt",
    "delete": "delete run --ids old.txt",
    "apply": "apply run --delta new.csv",
    "compact": "compact run",
    "refresh": "refresh run --out items.faiss",
    "diff": "diff run run",
    "report": "report run --no-explain --out new.html",
    "plan": "plan --rows 1e6,1e9",
    "bench": "bench --items items.npy --queries queries.npy --methods pq --bytes 4 --no-plots --out new",
}
# Help does nothing; a cluster of Ray takes longer to start than a command may run.
LEFT_OUT = ("help", "ray")
NUMBERS = (
    "0",
    "-1",
    "1e30",
    "-1e30",
    "nan",
    "inf",
    "10000000000000",
    "-10000000000000",
    "0.5",
    "1e-300",
    "",
    "x",
    "1,2",
    "٣",
)
TEXTS = (
    "",
    " ",
    "none",
    "x",
    "ip,l2",
    "\u00e9\u4e2d",
    "../..",
    "-",
    "--",
    "a" * 5000,
    "RQ0",
    "PQ1000000",
    "OPQ3,PQ3",
    "IVF0,PQ2",
    "0",
)
PATHS = (
    "missing",
    "missing/x",
    "",
    ".",
    "..",
    "/",
    "run",
    "run/bundle/manifest.json",
    "events.csv",
    "queries.npy",
    "binary.csv",
    "binary.npy",
    "binary.parquet",
    "fifo",
    "link",
    "/dev/null",
    "/dev/full",
    "/dev/zero",
    "/proc/x",
    "a" * 300,
    "items.faiss",
    "wide.npy",
    "nan.npy",
    "huge.npy",
    "objects.npy",
)


def attack(folder: Path, trials: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Spoil one or two options of a command that works."""
    from poeem.cli.main import COMMANDS

    rng = np.random.default_rng(seed)
    names = sorted(GOOD)
    counts = {"trials": trials, "refused": 0, "accepted": 0, "tracebacks": 0, "over 2 s before the error": 0}
    for trial in range(trials):
        copy = copy_of(folder)
        _write_hostile(copy)
        name = names[trial % len(names)]
        words = GOOD[name].split()
        for _ in range(int(rng.integers(1, 3))):
            words = spoil(words, COMMANDS.commands[name], copy, rng)
        outcome = run(words, copy, limit_seconds=20, limit_wall=60)
        if outcome.code == 0:
            counts["accepted"] += 1
            continue
        bad = (
            outcome.traceback
            or outcome.code < 0
            or not (outcome.refused_in_one_line or "Usage" in outcome.error or outcome.code == 2)
        )
        counts["refused"] += not bad
        counts["tracebacks"] += bad
        slow = outcome.seconds > 2
        counts["over 2 s before the error"] += slow
        if bad or slow:
            tell(f"{trial}: {words}: code {outcome.code}, {outcome.seconds:.1f} s: {outcome.error[-1500:]}")
    return counts


def spoil(words: list[str], command: Any, folder: Path, rng: np.random.Generator) -> list[str]:
    """The command line with an option or setting changed, added, repeated or taken away."""
    options = [one for one in command.params if one.opts and one.opts[0].startswith("-") and one.name not in LEFT_OUT]
    one = options[int(rng.integers(len(options)))]
    option = (one.opts + one.secondary_opts)[int(rng.integers(len(one.opts + one.secondary_opts)))]
    kind = str(getattr(getattr(one, "type", None) or one.type_descriptor, "name", "text"))
    if rng.random() < 0.1:
        return [word for word in words if rng.random() < 0.8] or [command.name]
    if any(one.name == "config" for one in options) and rng.random() < 0.4:
        return [*words, *_setting(command.name, folder, rng)]
    if one.is_flag:
        return [*words, option]
    pool = (
        NUMBERS
        if kind in ("integer", "float", "integer range", "float range")
        else PATHS
        if kind in ("path", "file")
        else TEXTS
    )
    if rng.random() < 0.1:
        pool = (*NUMBERS, *TEXTS, *PATHS)
    value = pool[int(rng.integers(len(pool)))]
    if option in words:
        at = words.index(option)
        return [*words[: at + 1], value, *words[at + 2 :]]
    return [*words, option, value]


def _setting(command: str, folder: Path, rng: np.random.Generator) -> list[str]:
    """``--set`` or ``--config`` with a hostile value of a random setting."""
    from dataclasses import fields

    from poeem.cli import fit, train

    groups = fit.CONFIG if command == "fit" else train.FIRST.groups
    group = list(groups)[int(rng.integers(len(groups)))]
    names = [field.name for field in fields(groups[group])]
    name, value = names[int(rng.integers(len(names)))], SETTINGS[int(rng.integers(len(SETTINGS)))]
    if rng.random() < 0.5:
        return ["--set", f"{name}={value.strip(chr(34))}"]
    file = folder / f"hostile-{rng.integers(1000)}.toml"
    file.write_text(f"[{group}]\n{name} = {value}\n")
    return ["--config", file.name]


def _write_hostile(folder: Path) -> None:
    import os

    rng = np.random.default_rng(0)
    for suffix in ("csv", "npy", "parquet"):
        (folder / f"binary.{suffix}").write_bytes(rng.bytes(2000))
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/dev/zero")
    np.save(folder / "wide.npy", rng.standard_normal((600, 16)) * 1e300)
    np.save(folder / "nan.npy", np.full((600, 16), np.nan, "float32"))
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 16), }".ljust(117)
        + b"\n"
    )
    (folder / "huge.npy").write_bytes(header + bytes(100))

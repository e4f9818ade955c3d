"""Attack a small world: damaged files, cut logs, full disks, kills and bad commands; count what should be 0.

``python -m benchmarks.durability.attacks --json FILE``; with ``--trials kills=30,log=100`` these two, so many times.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.durability import child, commands, full_disk, kills, logs, mutations, other_user
from benchmarks.durability.world import world
from benchmarks.record import Record, parse, picked, script_parser

QUICK = {
    "log": 300,
    "places": 4,
    "other user": 6,
    "commands": 12,
    "full disk": 4,
    "tmpfs": 4,
    "kills": 4,
    "mutations": 6,
}
TRIALS = {
    "log": 2000,
    "places": 18,
    "other user": 29,
    "commands": 500,
    "full disk": 200,
    "tmpfs": 100,
    "kills": 300,
    "mutations": 2000,
}
ATTACKS = {
    "places": full_disk.places,
    "other user": other_user.attack,
    "commands": commands.attack,
    "full disk": full_disk.attack,
    "tmpfs": full_disk.attack_tmpfs,
    "kills": kills.attack,
    "mutations": mutations.attack,
}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument(
        "--trials", help="attacks and how often, NAME=N,NAME=N; default all as in the table of the docs"
    )
    parser.add_argument("--quick", action="store_true", help="a few trials of each, for the tests")
    args = parse(parser)
    record = Record(args, picked(args, "trials", "quick"))
    for name, row in run_attacks(args, done=set(record.rows)):
        record.add(name, row)


def run_attacks(args: argparse.Namespace, done: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The counts of every attack that is not ``done``, one after the other."""
    child.prepare()
    chosen = QUICK if args.quick else TRIALS
    if args.trials:
        chosen = {name: int(trials) for name, trials in (part.split("=") for part in args.trials.split(","))}
    chosen = {name: trials for name, trials in chosen.items() if name not in done}
    if not chosen:
        return
    if "log" in chosen:
        with TemporaryDirectory() as folder:
            yield "log", logs.attack(Path(folder), chosen["log"], args.seed)
    with world(args.seed) as folder:
        for name, trials in chosen.items():
            if name == "log":
                continue
            counts = ATTACKS[name](folder, trials, args.seed, _teller(name))
            print(f"{name}: {counts}", file=sys.stderr)
            yield name, counts


def _teller(name: str) -> Any:
    return lambda line: print(f"{name} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

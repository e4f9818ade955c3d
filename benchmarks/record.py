"""What every benchmark shares: its arguments, a progress line, and a result file that says where it came from."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import track

from poeem.bundle.whole_file import write_text
from poeem.training.environment import environment

T = TypeVar("T")


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of every script, to which a script may add its own."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--json", type=Path, help="file for the results")
    made.add_argument("--threads", type=int, default=1, help="torch and faiss threads")
    return made


def arguments(description: str | None) -> argparse.Namespace:
    """Parse the command line of a script without arguments of its own."""
    return settled(parser(description).parse_args())


def settled(args: argparse.Namespace) -> argparse.Namespace:
    """Set the threads that the arguments ask for."""
    import faiss

    torch.set_num_threads(args.threads)
    faiss.omp_set_num_threads(args.threads)
    return args


def progress(items: Sequence[T], label: str):
    """Iterate with a bar on stderr."""
    return track(items, label, console=Console(stderr=True))


def earlier(args: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """What a run of these settings has left in ``--json``, ``{}`` if nothing; other settings there end the script.

    For scripts that write after each of their parts, with their settings under ``"settings"``, and go on from there.
    """
    if not (args.json and args.json.is_file()):
        return {}
    found = json.loads(args.json.read_text(encoding="utf-8"))
    if found.get("settings") != settings or found.get("seed") != args.seed:
        sys.exit(f"{args.json} holds results of other settings; delete it, or give another file")
    return found


def write(args: argparse.Namespace, results: dict[str, Any]) -> None:
    """Write results with their command, seed and machine to ``--json``, if it was given."""
    if args.json:
        command = shlex.join(["python", *sys.argv])
        record = {"command": command, "seed": args.seed, **results, "environment": environment(torch.device("cpu"))}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.json, json.dumps(record, indent=2) + "\n")

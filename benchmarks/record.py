"""Result files: the arguments of every benchmark script and the record that it writes.

A record is one JSON document, of one script and one seed::

    {"command": "python -m benchmarks...",   the call that made it
     "seed": 0,
     "settings": {...},                      what was measured: data, sizes, numbers of rows
     "rows": {NAME: {...}},                  the figures, one row a method or case
     "environment": {...}}                   versions of the packages, processor, threads

`poeem bench` writes its own format (``bench.json``), which `read.Results.bench` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import track

from poeem.training.environment import environment

T = TypeVar("T")


def script_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of every script; a script may add its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="result file; a run that was stopped resumes from it")
    parser.add_argument("--threads", type=int, default=1, help="torch and faiss threads")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line and set the number of threads."""
    import faiss

    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    faiss.omp_set_num_threads(args.threads)
    return args


def picked(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Arguments by name, for the settings of a record."""
    return {name: getattr(args, name) for name in names}


def progress(items: Sequence[T], label: str) -> Iterable[T]:
    """Iterate with a bar on stderr."""
    return track(items, label, console=Console(stderr=True))


class Record:
    """The record of one script, written to ``--json`` after every row.

    Args:
        args: parsed arguments.
        settings: what is measured. Rows of an earlier record with the same settings and seed are kept; a record with
            other settings ends the script.
    """

    def __init__(self, args: argparse.Namespace, settings: dict[str, Any]) -> None:
        self.file: Path | None = args.json
        self.seed, self.settings = args.seed, settings
        self.rows: dict[str, dict[str, Any]] = {}
        if self.file is not None and self.file.is_file():
            earlier = json.loads(self.file.read_text(encoding="utf-8"))
            if (earlier.get("settings"), earlier.get("seed")) != (json.loads(json.dumps(settings)), args.seed):
                sys.exit(f"{self.file} holds results of other settings; delete it, or choose another file")
            self.rows = earlier["rows"]

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Add a row and write the file."""
        self.rows[name] = row
        if self.file is None:
            return
        command = shlex.join(["python", "-m", _module(), *sys.argv[1:]])
        content = {"command": command, "seed": self.seed, "settings": self.settings, "rows": self.rows}
        content["environment"] = environment(torch.device("cpu"))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        written = self.file.with_name(self.file.name + ".part")
        written.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(written, self.file)


def _module() -> str:
    """Name of the script that runs, ``benchmarks.SUBJECT.SCRIPT``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else Path(sys.argv[0]).stem

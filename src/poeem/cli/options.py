"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the run.", show_default=False)]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print all settings as a TOML file for --config, and exit.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Nprobe = Annotated[
    int | None, typer.Option(help="Inverted lists visited per query; default the run's.", show_default=False)
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")]
BASELINES_HELP = (
    "Post-hoc indexes to compare with: pq, opq, rq, rq-refined, lsq, scann, opq-fastscan, truncate-pq, lsh, rabitq, "
    "binary, sq8; or none."
)
Baselines = Annotated[str, typer.Option(metavar="A,B", help=BASELINES_HELP)]


def names(text: str) -> list[str]:
    """The names in a list that is separated by commas; ``none`` is an empty list.

    >>> names("opq, rq"), names("none")
    (['opq', 'rq'], [])
    """
    return [] if text.strip() == "none" else [name.strip() for name in text.split(",")]

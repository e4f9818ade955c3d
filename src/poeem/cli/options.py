"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the run.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Nprobe = Annotated[
    int | None, typer.Option(help="Inverted lists visited a query; default the run's.", show_default=False)
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")]
Baselines = Annotated[
    str,
    typer.Option(
        metavar="A,B",
        help="Indexes built afterwards to compare with: pq, opq, rq, rq-refined, lsq, scann, opq-fastscan, "
        "truncate-pq, lsh, rabitq, binary, sq8; or none.",
    ),
]


def words(text: str) -> list[str]:
    """The words of a list separated by commas; ``none`` is none of them.

    >>> words("opq, rq"), words("none")
    (['opq', 'rq'], [])
    """
    return [] if text.strip() == "none" else [word.strip() for word in text.split(",")]

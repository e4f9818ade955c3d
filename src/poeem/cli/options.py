"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poeem.training.options.run import BASELINES_HELP

RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the run.", show_default=False)]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print all settings as a TOML file for --config, and exit.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
Nprobe = Annotated[
    int | None, typer.Option(help="Inverted lists visited per query; default the run's.", show_default=False)
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Device to compute on.")]
Baselines = Annotated[str, typer.Option(metavar="A,B", help=BASELINES_HELP)]
CHECK_FLAG = "--check/--no-check"

"""``poeem encode``: codes of items, in Parquet parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poeem.cli.options import Device, Json, RunFolder
from poeem.cli.output import print_json


def encode(
    folder: RunFolder,
    items: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Vectors (.npy), or ids known to the run (.parquet, .csv: column item)."),
    ],
    out: Annotated[Path, typer.Option(metavar="PARTS", help="Folder to write; must be new.")],
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Encode items with a run's index into Parquet parts with id, list and code."""
    from poeem.training.encode import encode_items
    from poeem.training.load import load_run

    facts = encode_items(load_run(folder, device), items, out)
    if json:
        print_json(facts)
    else:
        print(f"{out}: {facts['rows']:,} items as {facts['spec']} in {facts['parts']} part(s)")

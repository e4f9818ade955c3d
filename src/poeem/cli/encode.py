"""``poeem encode``: encode items, and write their codes as Parquet files."""

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
        typer.Option(metavar="FILE", help="Vectors (.npy, .parquet), or items that the model knows or encodes."),
    ],
    out: Annotated[Path, typer.Option(metavar="PARTS", help="Folder to write; must be new.")],
    column: Annotated[str | None, typer.Option(help="Column of the vectors in a Parquet file.")] = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Encode items with the index of a run, a fit or a bundle. Write Parquet files with id, list and code."""
    from poeem.bundle import open_bundle
    from poeem.training.encode import encode_items
    from poeem.training.load import load_run
    from poeem.training.run_folder import RunFolder

    # A fit or a bundle has no model. Vectors are encoded with its arrays alone.
    run = RunFolder(folder)
    trained = run.model.exists() or run.checkpoints.exists()
    source = load_run(folder, device) if trained else open_bundle(folder)
    facts = encode_items(source, items, out, column=column, device=device)
    if json:
        print_json(facts)
    else:
        print(f"{out}: {facts['rows']:,} items as {facts['spec']} in {facts['parts']} part(s)")

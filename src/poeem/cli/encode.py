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
        typer.Option(
            metavar="FILES",
            help="Vectors (.npy; .parquet, a folder or a glob), or items that the model knows or encodes.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="PARTS", help="Folder to write; new, or left by an interrupted encoding.")
    ],
    column: Annotated[str | None, typer.Option(help="Column of the vectors in Parquet files.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes that encode.")] = 1,
    ray: Annotated[
        bool, typer.Option("--ray", help="Encode on Ray Data: the cluster of RAY_ADDRESS, or a local one.")
    ] = False,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Encode items with the index of a run, a fit or a bundle. Write Parquet files with id, list and code.

    Items may be larger than memory. After an interruption, the same command resumes.
    """
    from poeem.training.encode import encode_items
    from poeem.training.encoding.open_source import open_owner

    facts = encode_items(
        open_owner(folder, device),
        items,
        out,
        column=column,
        device=device,
        processes=processes,
        ray=ray,
        progress=True,
    )
    if json:
        print_json(facts)
    else:
        print(f"{out}: {facts['rows']:,} items as {facts['spec']} in {facts['parts']} part(s)")

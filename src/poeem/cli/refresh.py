"""``poeem refresh``: export an index again after its items have changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from poeem.cli.errors import Failure
from poeem.cli.options import CHECK_FLAG, Json, RunFolder
from poeem.cli.output import print_json


def refresh(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="File that poeem export wrote, with its report beside it.")],
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="V.npy", help="For --refine and lance: the items' vectors, in the bundle's order."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            CHECK_FLAG,
            help="Compare a whole faiss file with the checksum in its report; --no-check compares a sample of blocks.",
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Update an exported file after changes of its index, with the options of its export."""
    from poeem.engines.refresh import refresh as refresh_file
    from poeem.engines.self_check import EngineMismatch

    # Lance warns of every list without items.
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        report = refresh_file(folder, out, vectors=vectors, check=check)
    except EngineMismatch as error:
        raise Failure(str(error)) from error
    if report is None:
        print_json({"out": str(out), "written": False}) if json else print(f"{out}: is up to date")
    elif json:
        print(report.to_json(), end="")
    else:
        print(report)

"""``poeem export``: the index as an engine's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.errors import Failure
from poeem.cli.options import Json, Nprobe, RunFolder


def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write; its report goes beside it.")],
    engine: Annotated[str, typer.Option(help="faiss.")] = "faiss",
    nprobe: Nprobe = None,
    json: Json = False,
) -> None:
    """Write a run's index for an engine, and prove that the engine scores what training scored."""
    from poeem.engines.export import export as export_bundle
    from poeem.engines.self_check import EngineMismatch

    options: dict[str, Any] = {} if nprobe is None else {"nprobe": nprobe}
    try:
        report = export_bundle(folder, engine, out, **options)
    except EngineMismatch as error:
        raise Failure(str(error)) from error
    if json:
        print(report.to_json(), end="")
    else:
        print(report)

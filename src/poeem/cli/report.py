"""``poeem report``: write the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poeem.cli.options import Json, RunFolder
from poeem.cli.output import print_json, say


def report(
    folder: RunFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Page to write.", show_default="DIR/report.html")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For a fit or bundle: the items' vectors, .npy or .parquet.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(metavar="FILE", help="Query vectors.")] = None,
    relevance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels: columns query, item (row numbers).")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors in Parquet files.")] = None,
    explain: Annotated[
        bool, typer.Option(help="Measure where recall is lost, and the time of queries (about a minute).")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    json: Json = False,
) -> None:
    """Write one HTML page about a run, a fit or a bundle: figures, curves, losses, use of the index, examples."""
    from poeem.bundle.whole_file import write_text
    from poeem.report.build import ReportOptions, build_report

    out = folder / "report.html" if out is None else out
    options = ReportOptions(
        vectors=items,
        queries=queries,
        relevance=relevance,
        column=column,
        explain=explain,
        seed=seed,
        log=lambda line: say(f"report: {line}"),
    )
    page = build_report(folder, options)
    write_text(out, page)
    if json:
        print_json({"out": str(out), "bytes": len(page.encode())})
    else:
        print(f"{out}: {len(page.encode()):,} bytes, no other files needed")

"""``poeem export``: the index as an engine's own file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.errors import Failure
from poeem.cli.options import Json, Nprobe
from poeem.cli.output import print_json, print_table


def export(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Folder of the run.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File or folder to write; its report goes beside it.", show_default=False),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="faiss, lance or (experimental, Linux) scann; the latter two are extras of the package.",
            show_default="faiss",
        ),
    ] = None,
    nprobe: Nprobe = None,
    fastscan: Annotated[
        bool | None,
        typer.Option(
            "--fastscan/--no-fastscan",
            help="Scan 4-bit codes by SIMD: several times faster, scores to about 1 %.",
            show_default="where the index can have it",
        ),
    ] = None,
    refine: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Rank the best again by vectors kept as flat, fp16 or sq8.")
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="V.npy", help="For --refine and lance: the items' vectors, in the bundle's order."),
    ] = None,
    k_factor: Annotated[
        float | None, typer.Option(help="Candidates that --refine ranks, in multiples of k.", show_default="10")
    ] = None,
    hnsw: Annotated[bool, typer.Option("--hnsw", help="Find the lists by a graph, for thousands of them.")] = False,
    on_disk: Annotated[bool, typer.Option("--on-disk", help="Leave the inverted lists in a file beside FILE.")] = False,
    parts: Annotated[
        list[Path] | None,
        typer.Option(
            "--parts",
            metavar="PARTS",
            help="Rows of poeem encode (a folder) or of an exported file, in place of the run's; may be repeated.",
        ),
    ] = None,
    delta: Annotated[
        Path | None,
        typer.Option(
            metavar="OLD",
            help="Write to FILE.parquet only what differs from this older version; no engine.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show what every engine can do, and do nothing else.")] = False,
    json: Json = False,
) -> None:
    """Write a run's index for an engine, and prove that the engine scores what training scored."""
    if show:
        _show_engines(json)
        return
    if folder is None or out is None:
        raise ValueError("name the run's folder and the file to write: poeem export DIR --out FILE (or --list)")
    from poeem.engines.export import export as export_bundle
    from poeem.engines.self_check import EngineMismatch

    given: dict[str, Any] = {
        "nprobe": nprobe,
        "fastscan": fastscan,
        "refine": refine,
        "vectors": vectors,
        "k_factor": k_factor,
        "hnsw": hnsw,
        "on_disk": on_disk,
        "parts": parts or None,
    }
    # What was not asked for is not said: every engine has options of its own.
    options = {name: value for name, value in given.items() if value is not None and (value or name == "fastscan")}
    if delta is not None:
        unused = [*(["engine"] if engine is not None else []), *options]
        if unused:
            raise ValueError(f"--delta writes rows for no engine; leave --{unused[0].replace('_', '-')} out")
        _write_delta(delta, folder, out, json)
        return
    # Lance warns of every list without items.
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        report = export_bundle(folder, engine or "faiss", out, **options)
    except EngineMismatch as error:
        raise Failure(str(error)) from error
    if json:
        print(report.to_json(), end="")
    else:
        print(report)


def _write_delta(old: Path, new: Path, out: Path, json: bool) -> None:
    from poeem.bundle import open_bundle
    from poeem.bundle.delta import write_delta

    facts = write_delta(open_bundle(old), open_bundle(new), out)
    if json:
        print_json({**facts, "out": str(out)})
    else:
        rows = ", ".join(f"{facts[name]:,} {name}" for name in ("added", "replaced", "deleted", "kept"))
        print(f"{out}: {rows}; {facts['bytes']:,} bytes")


def _show_engines(json: bool) -> None:
    from poeem.engines.capabilities import COLUMNS, capability_table

    table = capability_table()
    if json:
        print_json({"engines": table, "columns": COLUMNS})
        return
    rows = [[name, *(_shown(table[engine][name]) for engine in table), COLUMNS[name]] for name in COLUMNS]
    print_table("What the engines can do", ["", *table, "meaning"], rows)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value))

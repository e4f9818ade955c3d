"""``poeem export``: write an index as a file of an engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.command import options_of
from poeem.cli.errors import Failure
from poeem.cli.options import CHECK_FLAG, Json
from poeem.cli.output import print_json, print_table
from poeem.option import option


@dataclass(frozen=True)
class ExportOptions:
    """Run, output, engine and its options."""

    folder: Path | None = option(None, "Folder of the run.", flag="", metavar="DIR")
    out: Path | None = option(None, "File or folder to write; its report is written beside it.", metavar="FILE")
    engine: str | None = option(
        None,
        "Engine; lance and scann (experimental, Linux) are extras of the package.",
        choices=("faiss", "lance", "scann"),
        shown="faiss",
    )
    nprobe: int | None = option(None, "Inverted lists visited per query.", shown="the run's")
    fastscan: bool | None = option(
        None,
        "Scan 4-bit codes by SIMD: several times faster, scores to about 1 %.",
        flag="--fastscan/--no-fastscan",
        shown="where the index can have it",
    )
    refine: str | None = option(None, "Re-rank the best items by vectors stored as flat, fp16 or sq8.", metavar="TYPE")
    vectors: Path | None = option(
        None, "For --refine and lance: the items' vectors (.npy, .parquet), in the order of the rows.", metavar="FILES"
    )
    k_factor: float | None = option(None, "Candidates that --refine ranks, in multiples of k.", shown="10")
    hnsw: bool | None = option(None, "Find the lists to visit by a graph; for thousands of lists.", flag="--hnsw")
    on_disk: bool | None = option(
        None, "Store the inverted lists in a file beside FILE, and leave them on disk.", flag="--on-disk"
    )
    residual_quantizer: bool | None = option(
        None,
        "Write RQ as faiss's own residual quantizer: slower, but faiss itself can add rows.",
        flag="--residual-quantizer",
    )
    parts: list[Path] | None = option(
        None,
        "Rows of poeem encode (a folder) or of an exported file, in place of the run's; may be repeated.",
        metavar="PARTS",
    )
    check_parts: bool | None = option(
        None,
        "Compare faiss files of --parts whole with the checksum of their report; --no-check compares a sample of their "
        "blocks.",
        flag=CHECK_FLAG,
        shown="yes",
    )
    delta: Path | None = option(
        None, "Write to FILE.parquet only what differs from this older version; no engine.", metavar="OLD"
    )


@options_of(ExportOptions)
def export(
    given: dict[str, Any],
    *,
    show: Annotated[bool, typer.Option("--list", help="Show what every engine can do, and exit.")] = False,
    json: Json = False,
) -> None:
    """Write a run's index as a file of an engine, and check that the engine gives the scores of the training."""
    if show:
        _show_engines(json)
        return
    folder, out, delta = (given.pop(name, None) for name in ("folder", "out", "delta"))
    if folder is None or out is None:
        raise ValueError("name the run's folder and the file to write: poeem export DIR --out FILE (or --list)")
    from poeem.engines.export import export as export_bundle
    from poeem.engines.self_check import EngineMismatch

    # Engines have different options: those that were not given, or are off, are not passed on.
    options = {name: value for name, value in given.items() if value or name in ("fastscan", "check_parts")}
    if delta is not None:
        if options:
            raise ValueError(f"--delta writes rows for no engine; leave --{next(iter(options)).replace('_', '-')} out")
        _write_delta(delta, folder, out, json)
        return
    engine = options.pop("engine", "faiss")
    # Lance warns of every list without items.
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        report = export_bundle(folder, engine, out, **options)
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

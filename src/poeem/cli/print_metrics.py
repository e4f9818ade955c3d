"""Print ``metrics.json`` as a table on stdout, with notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from poeem.cli.output import print_table
from poeem.evaluation.intervals import few_queries_note, format_figure
from poeem.report.metrics_rows import MetricsRow, metrics_rows
from poeem.training.recipes.entries import RECIPES


def print_metrics(metrics: Mapping[str, Any], folder: Path) -> None:
    """Print the metrics of a run as a table, one row per float model, index and baseline, and notes below it.

    Args:
        metrics: the content of ``metrics.json``.
        folder: the folder of the run, which the title names.
    """
    nlist_note = f", nprobe {metrics['nprobe']}" if metrics["nprobe"] else ""
    title = (
        f"{metrics['dataset']}: {metrics['spec']} ({metrics['metric']}{nlist_note}), {metrics['steps']} steps, "
        f"{metrics['data']['test_queries']} test queries -> {folder}"
    )
    recipe = RECIPES[metrics["recipe"]]
    rows = [_cells(recipe.figures, row) for row in metrics_rows(metrics)]
    head = ["", *recipe.figures, "bytes", "build s"]
    if any(len(row) > len(head) for row in rows):
        head.append("scanned")
    print_table(title, head, [row + [""] * (len(head) - len(row)) for row in rows])
    print_few_queries([metrics["index"]])
    # Without class labels there is no such figure.
    note = better_baseline(metrics, recipe.main_figure) if recipe.main_figure in metrics["index"] else None
    if note is not None:
        print(note)
    for line in metrics.get("notes", []):
        print(line)
    if "changes" in metrics:
        print(changes_line(metrics["changes"]))


def print_few_queries(blocks: Iterable[Mapping[str, Any]]) -> None:
    """Print a note if one of the blocks of metrics was measured with few queries."""
    note = few_queries_note(blocks)
    if note is not None:
        print(note)


def better_baseline(metrics: Mapping[str, Any], figure: str = "recall@100") -> str | None:
    """Return a note if a post-hoc index has a higher metric ``figure`` than the trained index, else None.

    >>> better_baseline({"index": {"recall@100": 0.3}, "baselines": {"opq": {"recall@100": 0.4}}})[:66]
    'opq, built post-hoc, finds more: recall@100 0.4000 against 0.3000.'
    """
    best = max(metrics["baselines"], key=lambda name: metrics["baselines"][name][figure], default=None)
    if best is None or metrics["baselines"][best][figure] <= metrics["index"][figure]:
        return None
    figures = [block[figure] for block in (metrics["baselines"][best], metrics["index"])]
    return (
        f"{best}, built post-hoc, finds more: {figure} {figures[0]:.4f} against {figures[1]:.4f}. "
        "Train longer (--epochs), or see poeem explain DIR."
    )


def changes_line(changes: Mapping[str, Any]) -> str:
    """Return a sentence with the numbers of rows that a new version of an index changes."""
    if not changes["same_fingerprint"]:
        return "The index differs from the one it started from: every row in service has to be written again."
    return (
        f"Against the index in service: {changes['changed']:,} of {changes['kept']:,} rows rewritten "
        f"({changes['changed_share']:.1%}), {changes['added']:,} added, {changes['removed']:,} removed; "
        "carried by poeem export DIR --delta OLD --out FILE.parquet."
    )


def _cells(columns: Sequence[str], row: MetricsRow) -> list[str]:
    return [
        row.name,
        *(format_figure(row.block, column) if column in row.block else "" for column in columns),
        "" if row.bytes is None else str(row.bytes),
        "" if row.seconds is None else f"{row.seconds:.2f}",
        *([f"{row.block['scanned']:.1%}"] if "scanned" in row.block else []),
    ]

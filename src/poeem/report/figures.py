"""Sections of the figures: table with intervals, recall against bytes and build time, curves of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from poeem.evaluation.intervals import few_queries_note
from poeem.page.charts import Bar, Points, interval_chart, line_chart
from poeem.page.document import charts, figure, paragraph, section, table
from poeem.report.metrics_rows import MetricsRow, figure_names, metrics_rows
from poeem.training.history import Row, curves_of

# Of the figures that a training records: name of the axis, beginning of their names, and caption of the chart.
_CURVES = (
    ("loss", "training/loss", "All terms of the loss; the index joins in the course of the training"),
    ("distortion", "training/distortion", "Mean squared error of the codes in a batch"),
    ("validation", "validation/", "On queries that are neither trained on nor tested"),
    ("perplexity", "index/perplexity", "Codewords in use, if all were used equally"),
    ("dead share", "index/dead_share", "Share of the codewords that no item of recent batches has"),
)


def figures_section(metrics: Mapping[str, Any]) -> str:
    """Return the table of all figures with 95 % intervals, and the chart of the main one."""
    names, main = figure_names(metrics)
    rows = metrics_rows(metrics)
    cells = [[row.name, *(_with_interval(row.block, name) for name in names), *_costs(row)] for row in rows]
    judged = f" ({metrics['judged_by']})" if "judged_by" in metrics else ""
    few = few_queries_note([metrics["index"]])
    return section(
        "Figures on the test queries",
        table(["", *names, "bytes", "build s"], cells, f"Mean over queries and its 95 % interval{judged}"),
        figure(interval_chart([_bar(row, main) for row in rows if main in row.block], main), "95 % intervals"),
        paragraph(few or "", "note"),
        *(paragraph(note, "note") for note in metrics.get("notes", [])),
    )


def cost_section(metrics: Mapping[str, Any]) -> str:
    """Return charts of the main figure against bytes per vector and against the time to build the index."""
    _, main = figure_names(metrics)
    rows = [row for row in metrics_rows(metrics) if main in row.block]
    colours = {row.name: place for place, row in enumerate(rows)}
    by_bytes = {row.name: [(float(row.bytes), row.block[main])] for row in rows if row.bytes}
    by_time = {row.name: [(row.seconds, row.block[main])] for row in rows if row.seconds}
    return section(
        f"{main} against bytes and time",
        charts(
            _chart(by_bytes, "bytes per vector", main, "Memory of one item, without its id", colours),
            _chart(by_time, "seconds to build the index", main, "After the training; encoding included", colours),
        ),
    )


def training_section(rows: Sequence[Row]) -> str:
    """Return the curves of a training."""
    curves = curves_of(rows)
    found = []
    for axis, beginning, caption in _CURVES:
        series: dict[str, Points] = {
            name.removeprefix(beginning) or axis: points
            for name, points in curves.items()
            if name.startswith(beginning)
        }
        if series and any(value for points in series.values() for _, value in points):
            name = next(iter(series)) if len(series) == 1 else axis
            found.append(figure(line_chart(series, "step", name, dots=beginning == "validation/"), caption))
    return section("Training", charts(*found))


def precision_section(metrics: Mapping[str, Any]) -> str:
    """Return the precision-recall curves of a run of images; empty for others."""
    curves: dict[str, Points] = {
        row.name: list(zip(row.block["curve"]["recall"], row.block["curve"]["precision"]))
        for row in metrics_rows(metrics)
        if "curve" in row.block
    }
    return section("Precision by recall", line_chart(curves, "recall", "precision")) if curves else ""


def _chart(series: Mapping[str, Points], x: str, y: str, caption: str, colours: Mapping[str, int]) -> str:
    return figure(line_chart(series, x, y, log_x=True, dots=True, colours=colours), caption) if series else ""


def _with_interval(block: Mapping[str, Any], name: str) -> str:
    if name not in block:
        return ""
    ends = block.get("intervals", {}).get(name)
    if not ends:
        return f"{block[name]:.3f}"
    low, high = (f"{end:.3f}".removeprefix("0") for end in ends)
    return f"{block[name]:.3f} ({low}-{high})"


def _costs(row: MetricsRow) -> list[str]:
    return ["" if row.bytes is None else f"{row.bytes:,}", "" if row.seconds is None else f"{row.seconds:.2f}"]


def _bar(row: MetricsRow, name: str) -> Bar:
    low, high = row.block.get("intervals", {}).get(name, (None, None))
    return Bar(row.name, row.block[name], low, high)

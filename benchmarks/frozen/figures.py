"""Figures of the subject *frozen*: recall by bytes per vector, by codes scanned, by queries per second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure import BLUE, GREEN, OTHER, OURS, OURS_LIGHT, name_lines, panels, save
from benchmarks.read import Results
from poeem.bench.equal_recall import found_metric
from poeem.bench.plots import draw_scanned, draw_speed
from poeem.bench.style import mark_sizes
from poeem.bench.summary import Row, summarise

DATA = "debian"
METRIC = "recall@100"
# What docs/guides/frozen.md recommends: RQ up to so many bytes, above it OPQ,PQ.
LABEL_FREE = (("poeem-rq", 8), ("poeem-pq", 64))
# Larger codes of others, and the depth of re-ranking by float vectors.
LARGER = {("rabitq", 400): "RaBitQ, best 400\nre-ranked by floats", ("sq8", 0): "int8"}
WITH_LABELS = (("poeem-rq-labels", 16), ("poeem-pq-labels", 64))
Line = list[Row]  # one method, by bytes per vector


def where(results: Results, out: Path) -> None:
    """Recall by bytes per vector: ours, the best of faiss, and where larger codes are the better choice."""
    rows = _flat(results)
    free, labels = best_of(rows, LABEL_FREE), best_of(rows, WITH_LABELS)
    wins = [row.bytes_per_vector for row in won(free, rows)]
    title = f"poeem fit finds most at {wins[0]} to {wins[-1]} bytes per vector; with more bytes, use RaBitQ or int8"
    figure, (axes,) = panels(1, 9, 4.6, title=title)
    lines = (
        (labels, "poeem fit, with labels", OURS_LIGHT),
        (free, "poeem fit, label-free", OURS),
        (_method(rows, "rq-refined") + _method(rows, "rq")[-1:], "RQ of faiss", GREEN),
        (_method(rows, "opq"), "OPQ of faiss", BLUE),
        (_method(rows, "pq"), "PQ of faiss", OTHER),
    )
    for line, _, colour in lines:
        _draw(axes, line, colour, bold=colour in (OURS, OURS_LIGHT))
    for (method, depth), name in LARGER.items():
        line = [row for row in rows if (row.method, row.rescore) == (method, depth)]
        _draw(axes, line, OTHER)
        axes.annotate(
            name, (line[0].bytes_per_vector, line[0].means[METRIC]), (-4, -8), textcoords="offset points",
            ha="left", va="top", fontsize=9, color=OTHER,
        )  # fmt: skip
    _mark_float(axes, rows)
    mark_sizes(axes, sorted({row.bytes_per_vector for line, *_ in lines for row in line} | {56, 384}))
    axes.set_xlim(1.0, 560)
    axes.set_ylim(0.3, 0.99)
    axes.set_xlabel("bytes per vector")
    axes.set_ylabel(f"{METRIC} of relevant items")
    figure.tight_layout()
    name_lines(axes, [_end(line, name, colour, 0) for line, name, colour in lines], left=True)
    save(figure, out, "frozen")


def by_bytes(results: Results, out: Path) -> None:
    """Recall by bytes per vector of every method, in three panels with ours in each."""
    rows = _flat(results)
    free = best_of(rows, LABEL_FREE)
    title = "At equal bytes, poeem fit without labels finds more than every post-hoc index, most at 4 and 8 bytes"
    figure, axes_of = panels(3, 11, 4.2, title=title, sharey=True)
    groups = (
        (
            "ours",
            (
                ("poeem-rq-labels", "RQ, labels", OURS_LIGHT),
                ("poeem-pq-labels", "OPQ,PQ, labels", "#7a1f5c"),
                ("poeem-pq", "OPQ,PQ", "#d55e00"),
                ("poeem-rq", "RQ", OURS),
            ),
        ),
        (
            "product quantizers",
            (
                ("opq", "OPQ", BLUE),
                ("truncate-pq", "PCA, PQ", "#3a9bd1"),
                ("scann", "ScaNN", "#8a5a9e"),
                ("pq", "PQ", OTHER),
            ),
        ),
        (
            "residual quantizers and bits",
            (("rq-refined", "RQ, refined", GREEN), ("rq", "RQ", "#3fae8f"), ("lsh", "LSH", OTHER)),
        ),
    )
    for axes, (name, methods) in zip(axes_of, groups):
        if name != "ours":
            _draw(axes, free, OURS, bold=True)
        for method, _, colour in methods:
            _draw(axes, _method(rows, method), colour, bold=name == "ours")
        _mark_float(axes, rows, named=axes is axes_of[1])
        mark_sizes(axes, (4, 8, 16, 32))
        axes.set_xlim(*((3.4, 95) if name == "ours" else (1.3, 36)))
        axes.set_ylim(0.2, 1)
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_xlabel("bytes per vector")
    axes_of[0].set_ylabel(f"{METRIC} of relevant items")
    figure.tight_layout(w_pad=1)
    for axes, (name, methods) in zip(axes_of, groups):
        lines = [(_method(rows, method), label, colour) for method, label, colour in methods]
        if name == "ours":
            name_lines(axes, [_end(line, label, colour, -1) for line, label, colour in lines])
        else:
            lines.append((free, "ours, no labels", OURS))
            name_lines(axes, [_end(line, label, colour, 0) for line, label, colour in lines], left=True)
    save(figure, out, "frozen")


def by_scanned(results: Results, out: Path) -> None:
    """Recall by codes scanned per query, with inverted lists."""
    rows = summarise(results.bench(DATA, "speed"))
    draw_scanned(rows, found_metric(rows), f"{DATA}, lists (python -m benchmarks frozen)", out)


def by_speed(results: Results, out: Path) -> None:
    """Recall by queries per second, with inverted lists."""
    rows = summarise(results.bench(DATA, "speed"))
    draw_speed(rows, found_metric(rows), f"{DATA}, lists, one thread (python -m benchmarks frozen)", out)


def best_of(rows: Sequence[Row], methods: Sequence[tuple[str, int]]) -> Line:
    """One line from several methods, each up to a number of bytes."""
    found: Line = []
    for method, most in methods:
        least = found[-1].bytes_per_vector if found else 0
        found += [row for row in _method(rows, method) if least < row.bytes_per_vector <= most]
    return found


def won(ours: Line, rows: Sequence[Row]) -> Line:
    """The rows of ours that find more than any method of others of as many bytes or fewer.

    Methods of others: not ours, not the papers' recipes in our trainer, nothing re-ranked.
    """
    recipes = ("jpq", "repconc", "mopq", "distill-vq")
    others = [row for row in rows if not row.method.startswith(("poeem", *recipes)) and not row.rescore]

    def best_other(size: int) -> float:
        return max((row.means[METRIC] for row in others if row.bytes_per_vector <= size), default=0.0)

    return [row for row in ours if row.means[METRIC] > best_other(row.bytes_per_vector)]


def _flat(results: Results) -> list[Row]:
    """All methods, all codes scanned."""
    return [row for row in summarise(results.bench(DATA, "frozen")) if row.nprobe is None]


def _method(rows: Sequence[Row], method: str) -> Line:
    found = [row for row in rows if row.method == method and not row.rescore]
    return sorted(found, key=lambda row: row.bytes_per_vector)


def _draw(axes: Any, line: Line, colour: str, *, bold: bool = False) -> None:
    """A line with a standard deviation over the seeds."""
    axes.errorbar(
        [row.bytes_per_vector for row in line],
        [row.means[METRIC] for row in line],
        [row.spreads.get(METRIC, 0) for row in line],
        color=colour, marker="o", markersize=4.5, linewidth=2.2 if bold else 1.4, elinewidth=1, capsize=2.5,
    )  # fmt: skip


def _end(line: Line, name: str, colour: str, place: int) -> tuple[float, float, str, str]:
    """The point of a line that carries its name: 0 is the first, -1 the last."""
    return line[place].bytes_per_vector, line[place].means[METRIC], name, colour


def _mark_float(axes: Any, rows: Sequence[Row], *, named: bool = True) -> None:
    """A dashed line at the recall of exact search on the float vectors."""
    (exact,) = [row for row in rows if row.method == "float"]
    value = exact.means[METRIC]
    axes.axhline(value, color="black", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    if named:
        text = f"float vectors, {exact.bytes_per_vector:,} bytes: {value:.3f}"
        axes.annotate(
            text, (0, value), (4, 4), xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8.5
        )

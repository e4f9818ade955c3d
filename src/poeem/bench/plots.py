"""Draw the pictures of a benchmark: recall by bytes, by scanned codes, and by queries per second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bench.equal_recall import Point, found_metric, front, operating_point
from poeem.bench.style import (
    label_ends,
    mark_sizes,
    new_figure,
    readable_powers,
    recall_limits,
    save,
    style_of,
    styled,
)
from poeem.bench.summary import Row, metrics_of, summarise

if TYPE_CHECKING:
    from poeem.bench.store import Store

AXIS_LABELS = {
    "recall@100": "recall@100 of relevant items",
    "neighbour_recall@10": "10 nearest neighbours in the top 10",
    "neighbour_recall@10_in_100": "10 nearest neighbours in the top 100",
}
# The largest number of sizes in one picture, a panel each.
PANELS = 4


def draw_all(store: Store, out: str | Path) -> list[Path]:
    """Draw the pictures of a benchmark into the folder ``out``, and return their paths.

    Always ``bytes.svg``; ``scanned.svg`` if the index has lists; ``qps.svg`` if speeds were measured.
    """
    rows, metrics = summarise(store.records), metrics_of(store.records)
    shown = [name for name in AXIS_LABELS if name in metrics][:2]
    title = _title(store.settings)
    paths = [draw_bytes(rows, shown, title, Path(out) / "bytes.svg")]
    if any(row.nprobe is not None for row in rows):
        paths.append(draw_scanned(rows, shown[0], title, Path(out) / "scanned.svg"))
    if any("qps" in row.means for row in rows):
        paths.append(draw_speed(rows, found_metric(rows), title, Path(out) / "qps.svg"))
    return paths


@styled
def draw_bytes(rows: Sequence[Row], metrics: Sequence[str], title: str, path: Path) -> Path:
    """Draw recall by bytes per vector, all lists visited, one panel per metric; return ``path``.

    Error bars are standard deviations over seeds. If there are several depths of re-ranking, the smallest is drawn.
    """
    shown = _full_probe(rows)
    figure, panels = new_figure(len(metrics), title, width=5.6, height=4.4)
    sizes = sorted({row.bytes_per_vector for row in shown if row.method != "float"})
    for axes, metric in zip(panels, metrics):
        ends = []
        for method, group in _by_method(shown).items():
            values = [row.means[metric] for row in group]
            if method == "float":
                axes.axhline(values[0], color="black", linewidth=0.9, linestyle=(0, (4, 3)))
                axes.annotate(
                    f"float, {group[0].bytes_per_vector:,} bytes: {values[0]:.3f}",
                    (0, values[0]),
                    xycoords=("axes fraction", "data"),
                    xytext=(4, 3),
                    textcoords="offset points",
                    fontsize=8,
                )
                continue
            bytes_per_vector = [row.bytes_per_vector for row in group]
            axes.errorbar(bytes_per_vector, values, [row.spreads.get(metric, 0) for row in group], **style_of(method))
            ends.append((bytes_per_vector[-1], values[-1], method))
        mark_sizes(axes, sizes)
        recall_limits(axes, [row.means[metric] for row in shown])
        axes.set_xlabel("bytes per vector")
        axes.set_ylabel(AXIS_LABELS[metric])
        label_ends(axes, ends)
    return save(figure, path)


def draw_scanned(rows: Sequence[Row], metric: str, title: str, path: Path) -> Path:
    """Draw recall by scanned codes, a panel per size (methods of one fixed size in all panels); return ``path``."""
    least = min(row.rescore for row in rows if row.method != "float")
    with_lists = [row for row in rows if row.nprobe is not None and row.rescore == least]

    def points(group: Sequence[Row]) -> list[Point]:
        return sorted((row.means[metric], row.means["scanned"]) for row in group)

    return _draw_curves(with_lists, points, metric, title, path, "codes scanned per query")


def draw_speed(rows: Sequence[Row], metric: str, title: str, path: Path) -> Path:
    """Draw recall by queries per second at the settings that no other beats in both; return ``path``."""

    def points(group: Sequence[Row]) -> list[Point]:
        measured = (operating_point(row, metric) for row in group)
        return front([point for point in measured if point is not None])

    return _draw_curves(rows, points, metric, title, path, "queries per second, one thread")


@styled
def _draw_curves(
    rows: Sequence[Row],
    points: Callable[[Sequence[Row]], list[Point]],
    metric: str,
    title: str,
    path: Path,
    label: str,
) -> Path:
    """A panel for each size, with a line for each method through the ``points`` (recall, x) of its rows."""
    sizes = _panel_sizes(rows)
    fixed_size = {row.method for row in rows} - {row.method for row in rows if row.bytes_per_vector in sizes}
    figure, panels = new_figure(len(sizes), title, width=4.6, height=4.2, sharey=True)
    ends_of_panels: list[list[tuple[float, float, str]]] = []
    recalls_of_all: list[float] = []
    for axes, size in zip(panels, sizes):
        ends = []
        for method, group in _by_method(rows).items():
            chosen = [row for row in group if method in fixed_size or row.bytes_per_vector == size]
            line = points(chosen)
            if not line:
                continue
            recalls, x = zip(*line)
            axes.errorbar(x, recalls, **style_of(method))
            # The rightmost point is not always the last one: with more lists the speed falls.
            end = int(np.argmax(x))
            name = f"{method} ({chosen[0].bytes_per_vector})" if method in fixed_size else method
            ends.append((x[end], recalls[end], name))
            recalls_of_all += recalls
        axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.set_title(f"{size} bytes per vector")
        axes.set_xlabel(label)
        ends_of_panels.append(ends)
        readable_powers(axes)
    # The panels share their limits, and the names are placed by them.
    recall_limits(panels[0], recalls_of_all)
    for axes, ends in zip(panels, ends_of_panels):
        label_ends(axes, ends)
    panels[0].set_ylabel(AXIS_LABELS[metric])
    return save(figure, path)


def _panel_sizes(rows: Sequence[Row]) -> list[int]:
    """Up to :data:`PANELS` of the sizes that most methods have, spread over their range."""
    methods: dict[int, set[str]] = {}
    for row in rows:
        methods.setdefault(row.bytes_per_vector, set()).add(row.method)
    most = max(len(names) for names in methods.values())
    shared = sorted(size for size, names in methods.items() if len(names) == most)
    chosen = np.linspace(0, len(shared) - 1, min(PANELS, len(shared))).round().astype(int)
    return [shared[place] for place in sorted(set(chosen.tolist()))]


def _by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.method, []).append(row)
    return groups


def _full_probe(rows: Sequence[Row]) -> list[Row]:
    """For each method and size the row with the least re-ranking, then the most lists visited."""
    best: dict[tuple[str, int], Row] = {}
    for row in rows:
        other = best.get((row.method, row.bytes_per_vector))
        if other is None or (-row.rescore, row.nprobe or 0) > (-other.rescore, other.nprobe or 0):
            best[row.method, row.bytes_per_vector] = row
    return list(best.values())


def _title(settings: dict[str, Any]) -> str:
    problem = settings["problem"]
    lists = f", {settings['nlist']} lists" if settings["nlist"] else ""
    depth = settings["rescore"]
    rescored = f", best {depth} re-ranked by float vectors" if isinstance(depth, int) and depth else ""
    sizes = f"{problem['items']:,} items, dim {problem['dim']}, {problem['queries']:,} queries"
    return f"{problem['name']}: {sizes}{lists}{rescored}"

"""Pictures of a benchmark: recall against bytes, against scanned codes, against queries a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bench.equal_recall import Point, found_metric, front, operating_point
from poeem.bench.style import (
    label_ends,
    named_sizes,
    new_figure,
    readable_powers,
    recall_limits,
    save,
    style_of,
)
from poeem.bench.summary import Row, metrics_of, summarise

if TYPE_CHECKING:
    from poeem.bench.store import Store

WORDS = {
    "recall@100": "recall@100 of relevant items",
    "neighbour_recall@10": "10 nearest neighbours in the top 10",
    "neighbour_recall@10_in_100": "10 nearest neighbours in the top 100",
}
# Sizes side by side in one picture.
PANELS = 4


def draw_all(store: Store, out: str | Path) -> list[Path]:
    """The pictures that the records allow: ``bytes.svg``, with lists ``scanned.svg``, with speeds ``qps.svg``."""
    rows, metrics = summarise(store.records), metrics_of(store.records)
    shown = [name for name in WORDS if name in metrics][:2]
    title = _title(store.settings)
    paths = [draw_bytes(rows, shown, title, Path(out) / "bytes.svg")]
    if any(row.nprobe is not None for row in rows):
        paths.append(draw_scanned(rows, shown[0], title, Path(out) / "scanned.svg"))
    if any("qps" in row.means for row in rows):
        paths.append(draw_speed(rows, found_metric(rows), title, Path(out) / "qps.svg"))
    return paths


def draw_bytes(rows: Sequence[Row], metrics: Sequence[str], title: str, path: Path) -> Path:
    """Recall against bytes per vector, a panel for each metric, with all lists visited; bars are a deviation.

    Where there are several depths of re-ranking, with the least of them.
    """
    best = _full_probe(rows)
    figure, panels = new_figure(len(metrics), title, width=5.6, height=4.4)
    sizes = sorted({row.bytes_per_vector for row in best if row.method != "float"})
    for axes, metric in zip(panels, metrics):
        ends = []
        for method, group in _by_method(best).items():
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
            where = [row.bytes_per_vector for row in group]
            axes.errorbar(where, values, [row.spreads.get(metric, 0) for row in group], **style_of(method))
            ends.append((where[-1], values[-1], method))
        named_sizes(axes, sizes)
        recall_limits(axes, [row.means[metric] for row in best])
        axes.set_xlabel("bytes per vector")
        axes.set_ylabel(WORDS[metric])
        label_ends(axes, ends)
    return save(figure, path)


def draw_scanned(rows: Sequence[Row], metric: str, title: str, path: Path) -> Path:
    """Recall against scanned codes over ``nprobe``, a panel for each size; sizes of a method's own in all of them."""
    least = min(row.rescore for row in rows if row.method != "float")
    listed = [row for row in rows if row.nprobe is not None and row.rescore == least]

    def points(group: Sequence[Row]) -> list[Point]:
        return sorted((row.means[metric], row.means["scanned"]) for row in group)

    return _curves(listed, points, metric, title, path, "codes scanned per query")


def draw_speed(rows: Sequence[Row], metric: str, title: str, path: Path) -> Path:
    """Recall against queries a second: of all ``nprobe`` and depths those that no other one beats in both."""

    def points(group: Sequence[Row]) -> list[Point]:
        found = (operating_point(row, metric) for row in group)
        return front([point for point in found if point is not None])

    return _curves(rows, points, metric, title, path, "queries per second, one thread")


def _curves(
    rows: Sequence[Row],
    points: Callable[[Sequence[Row]], list[Point]],
    metric: str,
    title: str,
    path: Path,
    label: str,
) -> Path:
    """A panel for each size, in it a line for each method through ``points`` (recall, place) of its rows."""
    sizes = _sizes(rows)
    own = {row.method for row in rows} - {row.method for row in rows if row.bytes_per_vector in sizes}
    figure, panels = new_figure(len(sizes), title, width=4.6, height=4.2, sharey=True)
    named: list[tuple[Any, list[tuple[float, float, str]]]] = []
    seen: list[float] = []
    for axes, size in zip(panels, sizes):
        ends = []
        for method, group in _by_method(rows).items():
            chosen = [row for row in group if method in own or row.bytes_per_vector == size]
            found = points(chosen)
            if not found:
                continue
            values, where = [recall for recall, _ in found], [place for _, place in found]
            axes.errorbar(where, values, **style_of(method))
            # The rightmost point, not the last: with more lists the speed falls.
            end = max(range(len(where)), key=lambda number: where[number])
            name = f"{method} ({chosen[0].bytes_per_vector})" if method in own else method
            ends.append((where[end], values[end], name))
            seen += values
        axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.set_title(f"{size} bytes per vector", fontsize=9, loc="left", color="#444444")
        axes.set_xlabel(label)
        named.append((axes, ends))
        readable_powers(axes)
    # The panels share their limits, and names are placed by them.
    recall_limits(panels[0], seen)
    for axes, ends in named:
        label_ends(axes, ends)
    panels[0].set_ylabel(WORDS[metric])
    return save(figure, path)


def _sizes(rows: Sequence[Row]) -> list[int]:
    """Up to :data:`PANELS` sizes that most methods have, spread over their range."""
    counts: dict[int, set[str]] = {}
    for row in rows:
        counts.setdefault(row.bytes_per_vector, set()).add(row.method)
    most = max(len(methods) for methods in counts.values())
    shared = sorted(size for size, methods in counts.items() if len(methods) == most)
    chosen = np.linspace(0, len(shared) - 1, min(PANELS, len(shared))).round().astype(int)
    return [shared[place] for place in sorted(set(chosen.tolist()))]


def _by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.method, []).append(row)
    return groups


def _full_probe(rows: Sequence[Row]) -> list[Row]:
    """Of every method and size the row with the most lists visited, and the least re-ranked."""
    best: dict[tuple[str, int], Row] = {}
    for row in rows:
        before = best.get((row.method, row.bytes_per_vector))
        if before is None or (-row.rescore, row.nprobe or 0) > (-before.rescore, before.nprobe or 0):
            best[row.method, row.bytes_per_vector] = row
    return list(best.values())


def _title(settings: dict[str, Any]) -> str:
    problem = settings["problem"]
    lists = f", {settings['nlist']} lists" if settings["nlist"] else ""
    depth = settings["rescore"]
    again = f", best {depth} re-ranked by float vectors" if isinstance(depth, int) and depth else ""
    sizes = f"{problem['items']:,} items, dim {problem['dim']}, {problem['queries']:,} queries"
    return f"{problem['name']}: {sizes}{lists}{again}"

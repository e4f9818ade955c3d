"""The figure of the subject *versions*: recall of a new version against the share of rows that it rewrites."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.figure import OTHER, OTHER_LIGHT, OURS, OURS_LIGHT, panels, save
from benchmarks.read import Results, Run

# Name in the results, label, colour and mark.
POINTS = (
    ("version 1, unchanged", "version 1, unchanged", OTHER, "o"),
    ("from scratch", "from scratch", OTHER, "s"),
    ("from scratch, steps of both", "from scratch, steps of both", OTHER_LIGHT, "s"),
    ("from version 1, index trained", "from version 1, index trained", OURS_LIGHT, "D"),
)
METRICS = ("recall@100", "ndcg@10")


def stability(results: Results, out: Path) -> None:
    """Line: versions trained with `--stability`; points: the other ways."""
    runs = results.runs("stability")
    names = [name for name in runs[0]["rows"] if name.startswith("stability")]
    figure, axes_of = panels(len(METRICS), 9, 3.6)
    for axes, metric in zip(axes_of, METRICS):
        points = [_point(runs, name, metric) for name in names]
        axes.plot(*zip(*points), color=OURS, marker="o", linewidth=1.8, label="from version 1, --stability S")
        for name, place in zip(names, points):
            if place[0] >= 1:  # points with nearly no changes lie on each other
                text = f"{runs[0]['rows'][name]['stability']:g}"
                axes.annotate(text, place, (3, 5), textcoords="offset points", fontsize=7.5, color=OURS)
        for name, label, colour, mark in POINTS:
            place = _point(runs, name, metric)
            axes.plot(
                *place, color=colour, marker=mark, linestyle="none", markersize=7, label=label, clip_on=False, zorder=3
            )
        axes.margins(y=0.15)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("rows of the served index that are rewritten, %")
        axes.set_ylabel(f"{metric} of version 2's index")
    handles = axes_of[0].get_legend_handles_labels()
    figure.legend(*handles, loc="lower center", ncols=len(POINTS) + 1, fontsize=7.5, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    save(figure, out, "versions")


def _point(runs: list[Run], name: str, metric: str) -> tuple[float, float]:
    """Share of rows rewritten in per cent, and a metric of the index: means over the seeds."""
    rows = [run["rows"][name] for run in runs]
    return (
        100 * statistics.fmean(row["changed_share"] for row in rows),
        statistics.fmean(row["index"][metric] for row in rows),
    )

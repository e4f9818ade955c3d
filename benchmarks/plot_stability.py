"""The picture of docs/life_cycle.md from `benchmarks/results`: what is found against the share of rows rewritten.

pip install -e ".[bench]" && python benchmarks/plot_stability.py docs/figures/stability.svg
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from poeem.bench.style import save
from results_of import runs

# Name in the results, label, colour and mark.
SINGLE = (
    ("as it was", "version 1 as it was", "#6c7a7b", "o"),
    ("afresh", "trained afresh", "#6c7a7b", "s"),
    ("afresh, steps of both", "afresh, as many steps in all", "#b0b7ba", "s"),
    ("index trained on", "from version 1, index trained on", "#d9776c", "D"),
)


METRICS = ("recall@100", "ndcg@10")


def point(found: list[dict[str, Any]], name: str, metric: str) -> tuple[float, float]:
    """Share of rows rewritten in per cent, and a metric of the index: means over the seeds."""
    rows = [run["rows"][name] for run in found]
    return (
        100 * statistics.fmean(row["changed_share"] for row in rows),
        statistics.fmean(row["index"][metric] for row in rows),
    )


def main(out: Path) -> None:
    found = runs("stability-*.json")
    names = [name for name in found[0]["rows"] if name.startswith("stability")]
    figure, panels = plt.subplots(1, len(METRICS), figsize=(9, 3.6))
    for axes, metric in zip(panels, METRICS):
        points = [point(found, name, metric) for name in names]
        axes.plot(*zip(*points), color="#a5281b", marker="o", linewidth=1.8, label="from version 1, --stability S")
        for name, place in zip(names, points):
            value = found[0]["rows"][name]["stability"]
            if place[0] < 1:  # points of nearly no changes lie on one another
                continue
            text = f"{value:g}"
            axes.annotate(text, place, (3, 5), textcoords="offset points", fontsize=7.5, color="#a5281b")
        for name, label, colour, mark in SINGLE:
            place = point(found, name, metric)
            axes.plot(
                *place, color=colour, marker=mark, linestyle="none", markersize=7, label=label, clip_on=False, zorder=3
            )
        axes.margins(y=0.15)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("rows of the index in service that are rewritten, %")
        axes.set_ylabel(f"{metric} of version 2's index")
        axes.spines[["top", "right"]].set_visible(False)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="lower center", ncols=len(SINGLE) + 1, fontsize=7.5, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    save(figure, out)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The README's picture from `benchmarks/results`: what each index keeps of the float model's recall@100.

pip install -e ".[bench]" && python benchmarks/plot.py docs/figures/movielens.svg
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

# Label, colour, files of the runs, and the block of a run.
KINDS = (
    ("poeem RQ, trained jointly", "#a5281b", "additive", lambda run: run["index"]),
    ("poeem OPQ, trained jointly", "#d9776c", "history", lambda run: run["index"]),
    ("RQ refined, built afterwards", "#4a5657", "additive", lambda run: run["baselines"]["rq-refined"]),
    ("RQ, built afterwards", "#6c7a7b", "additive", lambda run: run["baselines"]["rq"]),
    ("OPQ, built afterwards", "#98a3a4", "history", lambda run: run["baselines"]["opq"]),
    ("PQ, built afterwards", "#b0b7ba", "history", lambda run: run["baselines"]["pq"]),
)


METRICS = ("recall@100", "ndcg@10")


def of_kind(kind: str) -> dict[int, list[dict[str, Any]]]:
    """Runs of all seeds by bytes per vector."""
    found: dict[int, list[dict[str, Any]]] = {}
    for of_seed in runs(f"movielens-{kind}-*.json"):
        for run in of_seed["specs"].values():
            found.setdefault(run["bytes_per_vector"], []).append(run)
    return found


def main(out: Path) -> None:
    by_kind = {kind: of_kind(kind) for kind in ("additive", "history")}
    sizes = sorted(by_kind["history"])
    figure, panels = plt.subplots(1, len(METRICS), figsize=(9, 3.6), sharey=True)
    width = 0.8 / len(KINDS)
    for axes, metric in zip(panels, METRICS):
        for number, (label, colour, kind, block) in enumerate(KINDS):
            for place, size in enumerate(sizes):
                kept = [100 * block(run)[metric] / run["float"][metric] for run in by_kind[kind][size]]
                bar = axes.barh(
                    place - 0.4 + (number + 0.5) * width,
                    statistics.fmean(kept),
                    height=0.9 * width,
                    color=colour,
                    label=label if place == 0 else None,
                )
                axes.bar_label(bar, fmt="%.1f", padding=-26, fontsize=8, color="white", fontweight="bold")
        axes.axvline(100, color="black", linewidth=0.8)
        axes.set_xlim(50, 106)
        axes.set_xlabel(f"{metric}, % of the float model's")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(sizes)), [f"{size} bytes" for size in sizes])
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="lower center", ncols=len(KINDS) // 2, fontsize=8, frameon=False
    )
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    save(figure, out)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

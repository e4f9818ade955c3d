"""Figures of the subject *interactions*: recall kept by each index, and recall against the codes scanned."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np

from benchmarks.figure import OTHER, OTHER_DARK, OTHER_LIGHT, OURS, OURS_LIGHT, panels, save
from benchmarks.read import Results, Run

# Label, colour, name of the results, and the block of a row.
INDEXES = (
    ("poeem RQ, trained jointly", OURS, "additive", lambda row: row["index"]),
    ("poeem OPQ, trained jointly", OURS_LIGHT, "history", lambda row: row["index"]),
    ("RQ refined, post-hoc", OTHER_DARK, "additive", lambda row: row["baselines"]["rq-refined"]),
    ("RQ, post-hoc", OTHER, "additive", lambda row: row["baselines"]["rq"]),
    ("OPQ, post-hoc", "#98a3a4", "history", lambda row: row["baselines"]["opq"]),
    ("PQ, post-hoc", OTHER_LIGHT, "history", lambda row: row["baselines"]["pq"]),
)
METRICS = ("recall@100", "ndcg@10")
# Name in the results, label, colour and mark.
CURVES = (
    ("joint", "trained with the model", OURS, "o"),
    ("joint, balance 0", "the same, balance 0", OURS_LIGHT, "D"),
    ("joint, no list loss", "the same, list_loss 0", OTHER_LIGHT, "s"),
    ("post-hoc", "k-means and OPQ, post-hoc", OTHER, "s"),
)


def movielens(results: Results, out: Path) -> None:
    """Bars: share of the float model's quality that each index keeps, by bytes per vector."""
    by_name = {name: _by_size(results, name) for name in ("additive", "history")}
    sizes = sorted(by_name["history"])
    figure, axes_of = panels(len(METRICS), 9, 3.6, sharey=True)
    width = 0.8 / len(INDEXES)
    for axes, metric in zip(axes_of, METRICS):
        for number, (label, colour, name, block) in enumerate(INDEXES):
            for place, size in enumerate(sizes):
                kept = [100 * block(row)[metric] / row["float"][metric] for row in by_name[name][size]]
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
    axes_of[0].set_yticks(range(len(sizes)), [f"{size} bytes" for size in sizes])
    axes_of[0].invert_yaxis()
    figure.legend(
        *axes_of[0].get_legend_handles_labels(), loc="lower center", ncols=len(INDEXES) // 2, fontsize=8, frameon=False
    )
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    save(figure, out, "interactions")


def _by_size(results: Results, name: str) -> dict[int, list[Run]]:
    """Rows of all seeds by bytes per vector."""
    found: dict[int, list[Run]] = {}
    for run in results.runs(f"movielens-{name}"):
        for row in run["rows"].values():
            found.setdefault(row["bytes_per_vector"], []).append(row)
    return found


def lists(results: Results, out: Path) -> None:
    """Lines: recall@100 against the share of the codes that a query scans."""
    from matplotlib.ticker import NullLocator, PercentFormatter

    runs = results.runs("lists")
    figure, (axes,) = panels(1, 5.6, 3.8)
    for name, label, colour, mark in CURVES:
        curves = np.array([[(p["scanned"], p["recall@100"]) for p in run["rows"][name]["curve"]] for run in runs])
        axes.plot(*curves.mean(0).T, color=colour, marker=mark, markersize=4.5, linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2], minor=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("codes scanned per query, share of the catalogue")
    axes.set_ylabel("recall@100")
    axes.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    save(figure, out, "interactions")

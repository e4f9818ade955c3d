"""The picture of lists in docs/interactions.md from `benchmarks/results`: what is found against the codes scanned.

pip install -e ".[bench]" && python benchmarks/plot_lists.py docs/figures/lists.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator, PercentFormatter

from poeem.bench.style import save
from results_of import runs

# Name in the results, label, colour and mark.
CURVES = (
    ("joint", "trained with the model", "#a5281b", "o"),
    ("joint, balance 0", "the same, --balance 0", "#d9776c", "D"),
    ("joint, no list loss", "the same, --list-loss 0", "#b0b7ba", "s"),
    ("afterwards", "k-means and OPQ, built afterwards", "#6c7a7b", "s"),
)


def main(out: Path) -> None:
    found = runs("lists-*.json")
    figure, axes = plt.subplots(figsize=(5.6, 3.8))
    for name, label, colour, mark in CURVES:
        curves = np.array([[(one["scanned"], one["recall@100"]) for one in run["curves"][name]] for run in found])
        axes.plot(*curves.mean(0).T, color=colour, marker=mark, markersize=4.5, linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2], minor=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("codes scanned a query, share of the catalogue")
    axes.set_ylabel("recall@100")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    save(figure, out)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

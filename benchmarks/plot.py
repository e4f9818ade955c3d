"""The README's picture from `benchmarks/results`: what each index keeps of the float model's recall@100.

pip install -e ".[bench]" && python benchmarks/plot.py docs/figures/movielens.svg
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
KINDS = (
    ("poeem, trained jointly", "#c0392b", lambda run: run["index"]),
    ("RQ, built afterwards", "#6c7a7b", lambda run: run["baselines"]["rq"]),
    ("OPQ, built afterwards", "#98a3a4", lambda run: run["baselines"]["opq"]),
    ("PQ, built afterwards", "#b0b7ba", lambda run: run["baselines"]["pq"]),
)


METRICS = ("recall@100", "ndcg@10")


def main(out: Path) -> None:
    runs = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("movielens-history-*.json"))]
    specs = sorted(runs[0]["specs"], key=lambda spec: runs[0]["specs"][spec]["bytes_per_vector"])
    figure, panels = plt.subplots(1, len(METRICS), figsize=(9, 3), sharey=True)
    width = 0.8 / len(KINDS)
    for axes, metric in zip(panels, METRICS):
        for number, (label, colour, block) in enumerate(KINDS):
            for place, spec in enumerate(specs):
                of_spec = [run["specs"][spec] for run in runs]
                kept = [100 * block(run)[metric] / run["float"][metric] for run in of_spec]
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
    panels[0].set_yticks(range(len(specs)), [f"{runs[0]['specs'][spec]['bytes_per_vector']} bytes" for spec in specs])
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="lower center", ncols=len(KINDS), fontsize=8, frameon=False
    )
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, metadata={"Date": None} if out.suffix == ".svg" else None)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

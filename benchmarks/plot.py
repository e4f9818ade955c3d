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
    ("RQ, built afterwards", "#7f8c8d", lambda run: run["baselines"]["rq"]),
    ("OPQ, built afterwards", "#95a5a6", lambda run: run["baselines"]["opq"]),
    ("PQ, built afterwards", "#bdc3c7", lambda run: run["baselines"]["pq"]),
)


def main(out: Path) -> None:
    runs = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("movielens-history-*.json"))]
    specs = sorted(runs[0]["specs"], key=lambda spec: runs[0]["specs"][spec]["bytes_per_vector"])
    figure, axes = plt.subplots(figsize=(8, 3))
    width = 0.8 / len(KINDS)
    for number, (label, colour, block) in enumerate(KINDS):
        for place, spec in enumerate(specs):
            kept = [block(run["specs"][spec])["recall@100"] / run["specs"][spec]["float"]["recall@100"] for run in runs]
            bar = axes.barh(
                place - 0.4 + (number + 0.5) * width,
                100 * statistics.fmean(kept),
                height=0.9 * width,
                color=colour,
                label=label if place == 0 else None,
            )
            axes.bar_label(bar, fmt="%.1f %%", padding=3, fontsize=8)
    axes.axvline(100, color="black", linewidth=0.8)
    axes.set_yticks(range(len(specs)), [f"{runs[0]['specs'][spec]['bytes_per_vector']} bytes" for spec in specs])
    axes.invert_yaxis()
    axes.set_xlim(80, 102)
    axes.set_xlabel("recall@100 kept, % of the float model trained without an index (256 bytes)")
    axes.set_title(f"MovieLens-1M, full catalogue, mean of {len(runs)} seeds", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="center right", fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0, 0.76, 1))
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

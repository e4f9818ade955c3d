"""The picture of `docs/papers.md` from `benchmarks/results`: distortion by iteration and time of learning a rotation.

pip install -e ".[bench]" && python benchmarks/plot_rotation.py docs/figures/rotation.svg
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

# Colour and line of every method.
STYLES = {
    "none": ("#b0b7ba", "-"),
    "SVD": ("#222222", "-"),
    "Cayley, Adam": ("#2d6a8e", "-"),
    "GCD-R": ("#e8b4ae", "-"),
    "GCD-S": ("#a5281b", ":"),
    "GCD-G": ("#d9776c", "-"),
    "GCD-G, 10 blocks": ("#a5281b", "-"),
    "GCD-G, Adam": ("#a5281b", "--"),
}
STARTS = {"identity": "from the coordinates as they come", "axes": "from balanced principal axes"}


def curves(start: str) -> dict[str, dict[str, Any]]:
    """Means over the seeds, by method: distortion after every iteration, and milliseconds of the rotation alone."""
    found = [run["curves"] for run in runs(f"rotation_learning-{start}-*.json")]
    return {
        name: {
            "distortion": [statistics.fmean(at) for at in zip(*(one[name]["distortion"] for one in found))],
            "rotation_ms": statistics.fmean(one[name]["rotation_ms"] for one in found),
        }
        for name in (found[0] if found else ())
    }


def main(out: Path) -> None:
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.4))
    for axes, start in zip(panels, STARTS):
        for name, one in curves(start).items():
            colour, line = STYLES[name]
            axes.plot(one["distortion"], line, color=colour, label=name, linewidth=1.4)
        axes.set_xlabel("iteration")
        axes.set_title(STARTS[start], fontsize=9)
    for name, one in curves("identity").items():
        if one["rotation_ms"]:
            colour, line = STYLES[name]
            seconds = [iteration * one["rotation_ms"] / 1000 for iteration in range(1, len(one["distortion"]))]
            panels[2].plot(seconds, one["distortion"][1:], line, color=colour, linewidth=1.4)
    panels[2].set_xscale("log")
    panels[2].set_xlabel("seconds for the rotation alone")
    panels[2].set_title("the first, by time", fontsize=9)
    for axes, start in zip(panels, (*STARTS, "identity")):
        top = max((one["distortion"][0] for one in curves(start).values()), default=1.0)
        axes.set_ylim(top=1.02 * top)  # a first step that overshoots is cut off
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("distortion")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(STYLES), fontsize=7.5, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    save(figure, out)
    plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

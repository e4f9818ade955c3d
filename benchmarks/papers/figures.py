"""The figure of the subject *papers*: distortion by iteration and by time of learning a rotation."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.figure import panels, save
from benchmarks.read import Results

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


def curves(results: Results, start: str) -> dict[str, dict[str, Any]]:
    """Means over the seeds, by method: distortion after every iteration, and milliseconds of the rotation alone."""
    found = [run["rows"] for run in results.runs(f"rotation_learning-{start}")]
    return {
        name: {
            "distortion": [statistics.fmean(at) for at in zip(*(one[name]["distortion"] for one in found))],
            "rotation_ms": statistics.fmean(one[name]["rotation_ms"] for one in found),
        }
        for name in (found[0] if found else ())
    }


def rotation(results: Results, out: Path) -> None:
    """Lines: distortion against iterations from two starts, and against seconds."""
    figure, axes_of = panels(3, 9, 3.4)
    for axes, start in zip(axes_of, STARTS):
        for name, one in curves(results, start).items():
            colour, line = STYLES[name]
            axes.plot(one["distortion"], line, color=colour, label=name, linewidth=1.4)
        axes.set_xlabel("iteration")
        axes.set_title(STARTS[start], fontsize=9)
    for name, one in curves(results, "identity").items():
        if one["rotation_ms"]:
            colour, line = STYLES[name]
            seconds = [iteration * one["rotation_ms"] / 1000 for iteration in range(1, len(one["distortion"]))]
            axes_of[2].plot(seconds, one["distortion"][1:], line, color=colour, linewidth=1.4)
    axes_of[2].set_xscale("log")
    axes_of[2].set_xlabel("seconds for the rotation alone")
    axes_of[2].set_title("the first, by time", fontsize=9)
    for axes, start in zip(axes_of, (*STARTS, "identity")):
        top = max((one["distortion"][0] for one in curves(results, start).values()), default=1.0)
        axes.set_ylim(top=1.02 * top)  # a first step that overshoots is cut off
        axes.tick_params(labelsize=8)
    axes_of[0].set_ylabel("distortion")
    handles, labels = axes_of[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(STYLES), fontsize=7.5, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    save(figure, out)

"""The figure of the subject *papers*: distortion during the training of a rotation, from two starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.figure import BLUE, OTHER, OURS, OURS_LIGHT, name_lines, panels, save
from benchmarks.read import Results

# Name in the results, name beside the line, colour. Left to the table: random planes, exact matching, ten blocks.
METHODS = (
    ("none", "no rotation", OTHER),
    ("GCD-G", "Givens", OURS_LIGHT),
    ("GCD-G, Adam", "Givens, Adam", OURS),
    ("SVD", "SVD (OPQ)", "#222222"),
    ("Cayley, Adam", "Cayley, Adam", BLUE),
)
STARTS = {"identity": "start: coordinates as they come", "axes": "start: balanced principal axes"}


def rotation(results: Results, out: Path) -> None:
    """Lines: distortion by iteration; bands: the lowest and highest of the seeds."""
    best, worst = curves(results, "axes")["none"][:, -1].mean(), curves(results, "identity")["SVD"][:, -1].mean()
    assert best < worst, "the title does not hold any more"
    title = "The start matters most: balanced axes without learning beat the SVD from raw coordinates"
    figure, axes_of = panels(2, 9, 4, title=title, sharey=True)
    ends = []
    for axes, start in zip(axes_of, STARTS):
        found = curves(results, start)
        for name, _, colour in METHODS:
            iterations = np.arange(found[name].shape[1])
            axes.plot(found[name].mean(0), color=colour, linewidth=1.7)
            axes.fill_between(iterations, found[name].min(0), found[name].max(0), color=colour, alpha=0.2, linewidth=0)
        ends.append([(iterations[-1], found[name].mean(0)[-1], label, colour) for name, label, colour in METHODS])
        axes.set_xlabel("iteration")
        axes.set_title(STARTS[start], fontsize=10, loc="left")
        axes.set_xlim(0, 100)
    # The first step of Adam on the Cayley map overshoots; it is cut off.
    axes_of[0].set_ylim(0.279, 0.328)
    axes_of[0].set_ylabel("distortion")
    figure.tight_layout(w_pad=9, rect=(0, 0, 0.88, 1))
    for axes, of_axes in zip(axes_of, ends):
        name_lines(axes, of_axes)
    save(figure, out, "papers")


def curves(results: Results, start: str) -> dict[str, np.ndarray]:
    """Distortion ``(seeds, iterations + 1)`` by method."""
    runs = results.runs(f"rotation_learning-{start}")
    return {name: np.array([run["rows"][name]["distortion"] for run in runs]) for name in runs[0]["rows"]}

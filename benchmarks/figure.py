"""The style of the figures of all subjects, drawn with matplotlib's object interface.

Colours: warm for ours, grey, blue and green for others. A title says the finding; a line has its name at one end; error
bars are standard deviations over the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poeem.bench.style import save as save_figure
from poeem.bench.style import spread

__all__ = ["BLUE", "GREEN", "OTHER", "OTHER_DARK", "OTHER_LIGHT", "OURS", "OURS_LIGHT", "name_lines", "panels", "save"]

OURS, OURS_LIGHT = "#a5281b", "#d9776c"
OTHER_DARK, OTHER, OTHER_LIGHT = "#4a5657", "#6c7a7b", "#b0b7ba"
BLUE, GREEN = "#0072b2", "#00725a"
# The end of a line in data coordinates (x, y), its name, its colour.
End = tuple[float, float, str, str]


def panels(count: int, width: float, height: float, *, title: str = "", **options: Any) -> tuple[Any, list[Any]]:
    """A figure of ``count`` panels side by side, its size in inches, without a frame on top and right.

    Args:
        count, width, height: as above.
        title: the finding, above all panels.
        options: of matplotlib's ``subplots``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, count, squeeze=False, **options)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure, list(axes)


def name_lines(axes: Any, ends: Sequence[End], *, size: float = 9, left: bool = False) -> None:
    """Write the name of every line beside its end, in its colour, without overlaps.

    Call it after the layout and the limits are final.

    Args:
        axes: axes of the lines.
        ends: the end of every line.
        size: font size in points.
        left: write the names to the left of the ends.
    """
    height = axes.get_window_extent().height
    to_axes = axes.transAxes.inverted()
    levels = [to_axes.transform(axes.transData.transform((x, y)))[1] for x, y, _, _ in ends]
    order = sorted(range(len(ends)), key=lambda number: levels[number])
    gap = 1.3 * size * axes.figure.dpi / 72 / height
    for number, level in zip(order, spread([levels[number] for number in order], gap, top=1.02)):
        x, y, name, colour = ends[number]
        shift = (level - levels[number]) * height * 72 / axes.figure.dpi
        axes.annotate(
            name, (x, y), (-8 if left else 8, shift), textcoords="offset points", va="center",
            ha="right" if left else "left", fontsize=size, color=colour, annotation_clip=False,
        )  # fmt: skip


def save(figure: Any, path: Path, subject: str) -> None:
    """Write a figure with the command that makes it in small letters."""
    command = f"python -m benchmarks {subject}"
    figure.text(0.995, 0.008, command, fontsize=6.5, color=OTHER_LIGHT, ha="right", va="bottom")
    save_figure(figure, path)

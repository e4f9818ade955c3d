"""The style of the figures: one look for all subjects, drawn with matplotlib's object interface.

Colours: warm for ours, grey and blue for others, as in ``poeem.bench.style``.
"""

from __future__ import annotations

from typing import Any

from poeem.bench.style import save

__all__ = ["OTHER", "OTHER_DARK", "OTHER_LIGHT", "OURS", "OURS_LIGHT", "panels", "save"]

OURS, OURS_LIGHT = "#a5281b", "#d9776c"
OTHER_DARK, OTHER, OTHER_LIGHT = "#4a5657", "#6c7a7b", "#b0b7ba"


def panels(count: int, width: float, height: float, **options: Any) -> tuple[Any, list[Any]]:
    """A figure of ``count`` panels side by side, its size in inches; no frame on top and right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, count, squeeze=False, **options)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)

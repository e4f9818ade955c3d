"""The style of the pictures: colours that colour-blind readers can tell apart, and names beside the lines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from poeem.bundle.whole_file import whole_file

_STYLE = "poeem.bench.style"  # style.mplstyle in this folder
P = ParamSpec("P")
T = TypeVar("T")

# Okabe and Ito's colours, with different markers. Methods of one family share a colour. Our methods have warm colours.
OURS: dict[str, tuple[str, str, str]] = {
    "joint": ("#b3202c", "*", "-"),
    "poeem-rq": ("#d55e00", "o", "-"),
    "poeem-rq-labels": ("#d55e00", "o", "--"),
    "poeem-pq": ("#a03000", "s", "-"),
    "poeem-pq-labels": ("#a03000", "s", "--"),
    "poeem-adapter": ("#e8a06b", "D", "-"),
    "poeem-fastscan": ("#7a1f5c", "^", "-"),
    "poeem-fastscan-labels": ("#7a1f5c", "^", "--"),
}
STYLES: dict[str, tuple[str, str, str]] = {
    "pq": ("#56b4e9", "o", "-"),
    "opq": ("#0072b2", "s", "-"),
    "truncate-pq": ("#56b4e9", "v", "--"),
    "rq": ("#009e73", "D", "-"),
    "rq-refined": ("#005e45", "X", "-"),
    "lsq": ("#009e73", "^", "--"),
    "opq-fastscan": ("#0072b2", "P", "--"),
    "scann": ("#cc79a7", ">", "-"),
    "lsh": ("#999999", "<", "-"),
    "binary": ("#666666", "d", "--"),
    "rabitq": ("#e69f00", "p", "-"),
    "sq8": ("#7a5c00", "h", "-"),
    "float": ("#000000", ".", "-"),
    # Methods of other papers in our trainer.
    "poeem-2021": ("#8a7fb5", "o", "-."),
    "jpq": ("#8a7fb5", "s", "-."),
    "repconc": ("#8a7fb5", "^", "-."),
    "mopq": ("#5b4f99", "D", "-."),
    "distill-vq": ("#5b4f99", "v", "-."),
}
# For unknown methods, which are the user's own: drawn as ours are.
OTHERS = (("#d55e00", "o", "-"), ("#d55e00", "s", "--"), ("#a03000", "D", "-."), ("#a03000", "^", ":"))
_style_of_unknown: dict[str, tuple[str, str, str]] = {}


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Return a drawing function that runs with the settings of ``style.mplstyle``."""

    @functools.wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib.style

        with matplotlib.style.context(_STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def style_of(method: str) -> dict[str, Any]:
    """Return the arguments of matplotlib's ``errorbar`` for a method: colour, marker, line."""
    is_ours = method not in STYLES
    if is_ours and method not in OURS:
        _style_of_unknown.setdefault(method, OTHERS[len(_style_of_unknown) % len(OTHERS)])
    colour, marker, line = (STYLES | OURS | _style_of_unknown)[method]
    return {
        "color": colour,
        "marker": marker,
        "linestyle": line,
        "linewidth": 2.4 if is_ours else 1.4,
        "markersize": 6.5 if is_ours else 5.5,
        "markeredgecolor": "white",
        "elinewidth": 1.0,
        "zorder": 3 if is_ours else 2,
    }


def new_figure(panels: int, title: str, *, width: float, height: float, sharey: bool = False) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, side by side, each of the given size in inches. pyplot is not used."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, sharey=sharey, squeeze=False)[0]
    figure.suptitle(title, x=0.01, ha="left")
    return figure, list(axes)


def label_ends(axes: Any, ends: Sequence[tuple[float, float, str]], *, size: float = 8.5) -> None:
    """Write the name of each line at the right edge, in its colour, connected to its end. Names do not overlap.

    Args:
        axes: the panel, with its final limits.
        ends: x, y and name of the last point of each line, in data coordinates. The first word of a name is the method.
        size: size of the text in points.
    """
    if not ends:
        return
    height = axes.get_window_extent().height
    gap = size * 1.35 * axes.figure.dpi / 72 / height
    heights = [axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1] for x, y, _ in ends]
    order = sorted(range(len(ends)), key=lambda number: heights[number])
    levels = spread([heights[number] for number in order], gap)
    for number, level in zip(order, levels):
        x, y, name = ends[number]
        method = name.split(" ")[0]
        colour = style_of(method)["color"]
        axes.annotate(
            name,
            (x, y),
            xytext=(1.06, level),
            textcoords="axes fraction",
            fontsize=size,
            color=colour,
            va="center",
            fontweight="normal" if method in STYLES else "bold",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3},
            annotation_clip=False,
        )


def spread(places: Sequence[float], gap: float, top: float = 1.0) -> list[float]:
    """Return ascending positions moved as little as possible, so that they are ``gap`` apart and at most ``top``.

    >>> spread([0.0, 0.5, 0.5], 0.2), spread([1.0, 1.0], 0.2)
    ([0.0, 0.4, 0.6], [0.8, 1.0])
    """
    groups: list[tuple[list[float], float]] = []
    for place in places:
        members, first = [place], place
        # A group that would touch the previous one joins it, and both are centred on their common mean.
        while groups and groups[-1][1] + gap * len(groups[-1][0]) > first + 1e-12:
            previous, _ = groups.pop()
            members = previous + members
            first = sum(members) / len(members) - gap * (len(members) - 1) / 2
        groups.append((members, first))
    levels = [first + gap * number for members, first in groups for number in range(len(members))]
    for number in reversed(range(len(levels))):
        levels[number] = min(levels[number], top - gap * (len(levels) - 1 - number))
    return [round(level, 12) for level in levels]


def recall_limits(axes: Any, values: Sequence[float]) -> None:
    """Set the limits of the recall axis: from 0 if values are near 0, else from just below the smallest value."""
    least = min(values)
    bottom = 0.0 if least < 0.3 * max(values) else least - 0.15 * (max(values) - least) - 0.01
    axes.set_ylim(bottom, max(values) + 0.05 * (max(values) - bottom))


def mark_sizes(axes: Any, sizes: Sequence[int]) -> None:
    """Mark sizes on a logarithmic axis. A number that would overlap another one is left out.

    Powers of two come first, because more methods have them.
    """
    named: list[int] = []
    for size in sorted(sizes, key=lambda size: (size & (size - 1) != 0, size)):
        if all(max(size, other) > 1.3 * min(size, other) for other in named):
            named.append(size)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:,}" if size in named else "" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)


def readable_powers(axes: Any) -> None:
    """Write plain numbers on a logarithmic axis: powers of ten, and 2 and 5 times them if the axis is short."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


@styled
def save(figure: Any, path: Path) -> Path:
    """Write the picture, and return ``path``. Equal figures give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(beside, format=path.suffix[1:], metadata=metadata)
    return path

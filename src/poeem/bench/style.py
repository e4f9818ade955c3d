"""How the pictures look: colours that the colour-blind tell apart, and names beside the lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Okabe and Ito's colours, in which marks differ too; what is alike (one family of codes) is alike in colour. Ours are
# warm and strong.
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
    # Of other papers, by our trainer.
    "poeem-2021": ("#8a7fb5", "o", "-."),
    "jpq": ("#8a7fb5", "s", "-."),
    "repconc": ("#8a7fb5", "^", "-."),
    "mopq": ("#5b4f99", "D", "-."),
    "distill-vq": ("#5b4f99", "v", "-."),
}
# For methods that are not known here: of the user's own, drawn as ours are.
OTHERS = (("#d55e00", "o", "-"), ("#d55e00", "s", "--"), ("#a03000", "D", "-."), ("#a03000", "^", ":"))
_given: dict[str, tuple[str, str, str]] = {}


def style_of(method: str) -> dict[str, Any]:
    """Arguments of ``errorbar`` for a method."""
    known = method in STYLES
    if not known and method not in OURS:
        _given.setdefault(method, OTHERS[len(_given) % len(OTHERS)])
    colour, marker, line = STYLES[method] if known else OURS.get(method) or _given[method]
    return {
        "color": colour,
        "marker": marker,
        "linestyle": line,
        "linewidth": 1.4 if known else 2.4,
        "markersize": 5.5 if known else 6.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
        "elinewidth": 1.0,
        "capsize": 2,
        "zorder": 2 if known else 3,
    }


def new_figure(panels: int, title: str, *, width: float, height: float, sharey: bool = False) -> tuple[Any, list[Any]]:
    """A figure with panels side by side, in inches each; nothing of pyplot's state is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, sharey=sharey, squeeze=False)[0]
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color="#e5e5e5", linewidth=0.7)
        one.set_axisbelow(True)
        one.tick_params(labelsize=9)
    return figure, list(axes)


def label_ends(axes: Any, ends: Sequence[tuple[float, float, str]], *, size: float = 8.5) -> None:
    """The name of every line at the right edge, in its colour, joined to its end by a hair, none over another.

    Args:
        axes: limits are settled by now.
        ends: the last point of every line, in data, and its name, whose first word is the method.
    """
    if not ends:
        return
    height = axes.get_window_extent().height
    gap = size * 1.35 * axes.figure.dpi / 72 / height
    places = [axes.transAxes.inverted().transform(axes.transData.transform((x, y))) for x, y, _ in ends]
    order = sorted(range(len(ends)), key=lambda number: places[number][1])
    levels = spread([places[number][1] for number in order], gap)
    for number, level in zip(order, levels):
        x, y, name = ends[number]
        colour = style_of(name.split(" ")[0])["color"]
        axes.annotate(
            name,
            (x, y),
            xytext=(1.06, level),
            textcoords="axes fraction",
            fontsize=size,
            color=colour,
            va="center",
            fontweight="bold" if name.split(" ")[0] not in STYLES else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3},
            annotation_clip=False,
        )


def spread(places: Sequence[float], gap: float, top: float = 1.0) -> list[float]:
    """Ascending places moved as little as need be to stand ``gap`` apart, and none past ``top``.

    >>> spread([0.0, 0.5, 0.5], 0.2), spread([1.0, 1.0], 0.2)
    ([0.0, 0.4, 0.6], [0.8, 1.0])
    """
    groups: list[tuple[list[float], float]] = []
    for place in places:
        members, first = [place], place
        # A group that would touch the one before joins it, and both stand about their common middle.
        while groups and groups[-1][1] + gap * len(groups[-1][0]) > first + 1e-12:
            before, _ = groups.pop()
            members = before + members
            first = sum(members) / len(members) - gap * (len(members) - 1) / 2
        groups.append((members, first))
    levels = [first + gap * number for members, first in groups for number in range(len(members))]
    for number in reversed(range(len(levels))):
        levels[number] = min(levels[number], top - gap * (len(levels) - 1 - number))
    return [round(level, 12) for level in levels]


def recall_limits(axes: Any, values: Sequence[float]) -> None:
    """From 0 where values come near it, else from below the least: nothing is said by an empty half."""
    least = min(values)
    bottom = 0.0 if least < 0.3 * max(values) else least - 0.15 * (max(values) - least) - 0.01
    axes.set_ylim(bottom, max(values) + 0.05 * (max(values) - bottom))


def named_sizes(axes: Any, sizes: Sequence[int]) -> None:
    """Sizes as marks of a logarithmic axis, each with its number but where that would stand on another's.

    Of two that are close the one that more methods are likely to have, a power of two, goes first.
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
    """Marks of a logarithmic axis as plain numbers, at 1, 2 and 5 where it spans but a few powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def save(figure: Any, path: Path) -> Path:
    """Write the picture; the same figures give the same file."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "poeem", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path

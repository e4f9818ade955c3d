"""Charts as SVG, in the colours of the page: lines, points, intervals, bars, maps of points."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poeem.page.axes import Axis, axis_of, number

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 460, 260, 48, 24, 42
_LINE, _LETTER = 15, 6.4  # height of a line of text, width of a letter
_NAMES = 190  # most room for names at the right
SERIES = 6


@dataclass(frozen=True)
class Bar:
    """A row of an interval chart: its name, its value and the ends of its interval, if known."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def line_chart(
    series: Mapping[str, Points],
    x: str,
    y: str,
    *,
    log_x: bool = False,
    dots: bool = False,
    colours: Mapping[str, int] | None = None,
) -> str:
    """Draw series of points ``(x, y)``, with their names at the right if there are several.

    Args:
        series: by name; points that are not finite are left out.
        x, y: names of the axes.
        log_x: logarithmic x axis.
        dots: a dot at each point.
        colours: number of the colour of a series by its name; default by their order.
    """
    finite = {
        name: [point for point in points if all(map(math.isfinite, point)) and (point[0] > 0 or not log_x)]
        for name, points in series.items()
    }
    finite = {name: points for name, points in finite.items() if points}
    if not finite:
        return ""
    every = [point for points in finite.values() for point in points]
    room = 12 + _LETTER * max(map(len, finite))
    right = _WIDTH if len(finite) == 1 else _WIDTH - min(room, _NAMES)
    across = axis_of([x for x, _ in every], _LEFT, right - 8, log=log_x)
    up = axis_of([y for _, y in every], _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(across, up, x, y)
    ends = []
    for place, (name, points) in enumerate(finite.items()):
        placed = [(across.place(a), up.place(b)) for a, b in points]
        kind = f"s{(colours or {}).get(name, place) % SERIES}"
        if len(placed) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
            parts.append(f'<polyline class="series {kind}" points="{path}"/>')
        if dots or len(placed) == 1:
            parts += [f'<circle class="dot {kind}" cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b in placed]
        ends.append((*placed[-1], name, kind))
    if len(finite) > 1:
        parts += _end_names(ends, right)
    return _svg(parts, _WIDTH, _HEIGHT, f"{y} by {x}: {', '.join(finite)}")


def interval_chart(bars: Sequence[Bar], label: str) -> str:
    """Draw one line per name with its value and interval; ``label`` names the axis."""
    if not bars:
        return ""
    names = 12 + _LETTER * max(len(bar.name) for bar in bars)
    top = 6
    left, height = min(names, 230), top + 24 * len(bars) + _BOTTOM
    ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    across = axis_of(ends, left, _WIDTH - 60)
    bottom = height - _BOTTOM
    parts = _columns(across, top, bottom)
    parts.append(
        f'<text x="{(left + _WIDTH - 60) / 2:.0f}" y="{height - 6}" text-anchor="middle">{_text(label)}</text>'
    )
    for place, bar in enumerate(bars):
        y, kind = top + 24 * place + 14, f"s{place % SERIES}"
        parts.append(f'<text x="{left - 10:.0f}" y="{y + 4}" text-anchor="end" class="strong">{_text(bar.name)}</text>')
        if bar.low is not None and bar.high is not None:
            low, high = across.place(bar.low), across.place(bar.high)
            parts.append(
                f'<path class="series {kind}" d="M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 4}v8M{high:.1f} {y - 4}v8"/>'
            )
        parts.append(f'<circle class="dot {kind}" cx="{across.place(bar.value):.1f}" cy="{y}" r="4.5"/>')
        parts.append(f'<text x="{_WIDTH - 52}" y="{y + 4}" class="strong">{bar.value:.4f}</text>')
    listed = ", ".join(f"{bar.name} {bar.value:.4f}" for bar in bars)
    return _svg(parts, _WIDTH, height, f"{label}: {listed}")


def bar_chart(values: Sequence[float], x: str, y: str, *, mark: float | None = None, mark_name: str = "") -> str:
    """Draw bars without gaps in the given order, and a line across at the value ``mark``."""
    if not len(values):
        return ""
    across = Axis(0, len(values), _LEFT, _WIDTH - 8)
    up = axis_of([*values, *([] if mark is None else [mark])], _HEIGHT - _BOTTOM, _TOP, zero=True)
    parts = _frame(across, up, x, y)
    bottom, path = up.place(0), []
    for place, value in enumerate(values):
        path.append(
            f"{across.place(place):.2f},{up.place(value):.1f} {across.place(place + 1):.2f},{up.place(value):.1f}"
        )
    first, last = across.place(0), across.place(len(values))
    parts.append(f'<polygon class="area s1" points="{first},{bottom:.1f} {" ".join(path)} {last},{bottom:.1f}"/>')
    if mark is not None:
        height = up.place(mark)
        parts.append(f'<path class="series s0" stroke-dasharray="5 4" d="M{_LEFT} {height:.1f}H{_WIDTH - 8}"/>')
        parts.append(f'<text x="{_WIDTH - 10}" y="{height - 5:.1f}" text-anchor="end">{_text(mark_name)}</text>')
    return _svg(parts, _WIDTH, _HEIGHT, f"{y} by {x}; largest {number(max(values))}, smallest {number(min(values))}")


def point_map(
    places: Sequence[tuple[float, float]], sizes: Sequence[float], name: str, marked: Sequence[int] = ()
) -> str:
    """Draw a square map of points.

    Args:
        places: from -1 to 1.
        sizes: weight of each point, its area is proportional to it; 0 draws a small ring.
        name: for readers who do not see it.
        marked: numbers of points in another colour.
    """
    side = 170.0
    most = max(sizes, default=0) or 1
    parts = [f'<rect class="axis" x="1" y="1" width="{side - 2:g}" height="{side - 2:g}"/>']
    order = [*(one for one in range(len(places)) if one not in marked), *marked]
    for one in order:
        x, y = ((1 + 0.92 * value) * side / 2 for value in places[one])
        kind, radius = "s0" if one in marked else "s1", 1.0 + 5.0 * math.sqrt(sizes[one] / most)
        if sizes[one]:
            parts.append(
                f'<circle class="dot {kind}" cx="{x:.1f}" cy="{side - y:.1f}" r="{radius:.1f}" opacity=".75"/>'
            )
        else:
            parts.append(f'<circle class="series s0" style="stroke-width:1" cx="{x:.1f}" cy="{side - y:.1f}" r="2"/>')
    return _svg(parts, side, side, name)


def _frame(across: Axis, up: Axis, x: str, y: str) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    parts = _columns(across, _TOP, bottom)
    for value in up.ticks():
        place = up.place(value)
        parts.append(f'<path class="axis" d="M{across.start} {place:.1f}H{across.end:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{number(value)}</text>')
    middle = (across.start + across.end) / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{_text(x)}</text>')
    parts.append(f'<text x="4" y="12">{_text(y)}</text>')
    return parts


def _columns(across: Axis, top: float, bottom: float) -> list[str]:
    parts, last = [], -math.inf
    for value in across.ticks():
        place = across.place(value)
        parts.append(f'<path class="axis" d="M{place:.1f} {top}V{bottom}"/>')
        if place - last > 34:
            parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{number(value)}</text>')
            last = place
    return parts


def _end_names(ends: Sequence[tuple[float, float, str, str]], right: float) -> list[str]:
    """Names beside the ends of lines, moved down where they would touch."""
    parts, before = [], -math.inf
    for x, y, name, kind in sorted(ends, key=lambda end: end[1]):
        place = max(y, before + _LINE)
        before = place
        parts.append(f'<path class="axis" d="M{x + 5:.1f} {y:.1f}L{right - 2:.1f} {place:.1f}"/>')
        parts.append(f'<text class="series-name {kind}" x="{right + 2:.0f}" y="{place + 4:.1f}">{_text(name)}</text>')
    return parts


def _svg(parts: Sequence[str], width: float, height: float, description: str) -> str:
    body = "".join(parts)
    return (
        f'<svg role="img" aria-label="{_text(description)}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}">{body}</svg>'
    )


def _text(text: str) -> str:
    return html.escape(text)

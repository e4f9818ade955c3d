"""Charts: places of points, names that do not touch, text that is escaped."""

from __future__ import annotations

import re

import numpy as np
import pytest

from poeem.page.axes import Axis, axis_of, linear_ticks
from poeem.page.charts import Bar, bar_chart, interval_chart, line_chart, point_map
from poeem.page.document import document, section, table


def points_of(svg: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'<polyline class="series s0" points="([^"]*)"', svg)
    return [tuple(map(float, point.split(","))) for point in path.split()]


def test_a_line_keeps_the_proportions_of_its_points():
    (x0, y0), (x1, y1), (x2, y2) = points_of(line_chart({"a": [(0, 1), (1, 3), (4, 2)]}, "x", "y"))
    assert (x2 - x0) / (x1 - x0) == pytest.approx(4, rel=1e-2)
    assert (y0 - y1) / (y2 - y1) == pytest.approx(2, rel=1e-2)
    assert y1 < y2 < y0  # larger values are higher
    (a, _), (b, _), (c, _) = points_of(line_chart({"a": [(1, 0), (10, 0), (100, 0)]}, "x", "y", log_x=True))
    assert b - a == pytest.approx(c - b, rel=1e-2)


def test_values_that_are_not_finite_are_left_out():
    assert len(points_of(line_chart({"a": [(0, 1), (1, float("nan")), (2, 2), (3, float("inf"))]}, "x", "y"))) == 2
    assert line_chart({"a": []}, "x", "y") == line_chart({"a": [(0, float("nan"))]}, "x", "y") == ""


def test_names_at_the_ends_do_not_touch():
    svg = line_chart({f"n{i}": [(0, 0), (1, 1 + i / 1000)] for i in range(6)}, "x", "y")
    heights = sorted(float(y) for y in re.findall(r'series-name s\d" x="[\d.]+" y="([\d.]+)"', svg))
    assert len(heights) == 6
    assert min(np.diff(heights)) >= 15 - 0.11


def test_intervals_reach_from_end_to_end():
    svg = interval_chart([Bar("a", 0.5, 0.4, 0.8), Bar("b", 0.6)], "recall")
    ((low, high),) = re.findall(r'd="M([\d.]+) \d+H([\d.]+)M', svg)
    dots = [float(x) for x in re.findall(r'<circle class="dot s\d" cx="([\d.]+)"', svg)]
    assert (float(high) - float(low)) / (dots[0] - float(low)) == pytest.approx(4, rel=0.02)
    assert 'aria-label="recall: a 0.5000, b 0.6000"' in svg


def test_bars_have_the_heights_of_their_values():
    svg = bar_chart([4, 2, 0], "lists", "items", mark=2, mark_name="even")
    (path,) = re.findall(r'points="([^"]*)"', svg)
    heights = [float(point.split(",")[1]) for point in path.split()]
    ground = heights[0]
    assert (ground - heights[1]) / (ground - heights[3]) == pytest.approx(2, rel=1e-2)
    assert heights[5] == ground
    (line,) = re.findall(r'stroke-dasharray="5 4" d="M48 ([\d.]+)H', svg)
    assert float(line) == pytest.approx(heights[3], abs=0.1)


def test_unused_codewords_are_rings():
    svg = point_map([(-1, -1), (1, 1), (0, 0)], [4, 1, 0], "map", marked=[1])
    found = re.findall(r'<circle class="(\w+) (\w+)"[^>]* cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', svg)
    kinds = {(kind, colour) for kind, colour, *_ in found}
    assert kinds == {("dot", "s1"), ("dot", "s0"), ("series", "s0")}
    (first,) = [one for one in found if one[:2] == ("dot", "s1")]
    assert float(first[2]) < 20 < 150 < float(first[3])  # left, below


@pytest.mark.parametrize("text", ['<img src=x onerror="a">', "a & b", '"quoted"'])
def test_text_is_escaped(text):
    drawn = [
        line_chart({text: [(0, 0)], "b": [(1, 1)]}, text, text),
        interval_chart([Bar(text, 0.5)], text),
        table([text], [[text]], text),
        section(text, "x"),
        document(text, []),
    ]
    for one in drawn:
        assert text not in one
        assert "&amp; b" in one or "&quot;" in one or "&lt;img" in one


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.61, 0.66), (-3, 12), (0, 1e6), (15.2, 15.5), (1e-9, 2e-9)])
def test_ticks_are_round_and_within(low, high):
    ticks = linear_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in ticks)


def test_an_axis_of_one_value_has_room():
    axis = axis_of([0.5], 0, 100)
    assert axis.place(0.5) == pytest.approx(50)
    assert Axis(1, 100, 0, 10, log=True).place(10) == pytest.approx(5)

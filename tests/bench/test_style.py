from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

import itertools

from poeem.bench.style import label_ends, mark_sizes, new_figure, recall_limits


@pytest.fixture
def axes():
    _, (found,) = new_figure(1, "made up", width=5, height=4)
    return found


def test_numbers_of_sizes_do_not_overlap(axes):
    mark_sizes(axes, [4, 8, 16, 32, 48, 56, 384, 1536])
    assert axes.get_xticks().tolist() == [4, 8, 16, 32, 48, 56, 384, 1536]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "8", "16", "32", "48", "", "384", "1,536"]
    axes.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.get_xticklabels() if text.get_text()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_powers_of_two_are_numbered_first(axes):
    mark_sizes(axes, [15, 16])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["", "16"]


@pytest.mark.parametrize(("values", "from_zero"), [([0.05, 0.9], True), ([0.4, 0.9], False), ([0.89, 0.9], False)])
def test_recall_axis_starts_at_zero_only_if_values_are_near(axes, values, from_zero):
    recall_limits(axes, values)
    low, high = axes.get_ylim()
    assert (low == 0) == from_zero
    assert low < min(values)
    assert high > max(values)


def test_names_do_not_overlap(axes):
    axes.plot([1, 2], [0.5, 0.6])
    label_ends(axes, [(2, 0.6, "opq"), (2, 0.6, "pq (8)"), (2, 0.599, "poeem-rq")])
    axes.figure.canvas.draw()
    heights = sorted(text.get_window_extent().y0 for text in axes.texts)
    assert all(high - low > 8 for low, high in itertools.pairwise(heights))

from __future__ import annotations

import numpy as np
import pytest

from poeem.bench.equal_recall import at_equal_recall, front, qps_at
from poeem.bench.summary import Row


def test_no_point_beats_the_front():
    random = np.random.default_rng(0)
    points = [(recall, speed) for recall, speed in random.random((50, 2)).tolist()]
    best = front(points)
    for one in points:
        beaten = any(other[0] >= one[0] and other[1] >= one[1] and other != one for other in points)
        assert (one in best) is not beaten


def test_speeds_fall_with_recall_and_go_through_the_points():
    points = [(0.9, 10.0), (0.8, 40.0), (0.5, 160.0), (0.6, 20.0)]
    for recall, speed in [(0.9, 10.0), (0.8, 40.0), (0.5, 160.0), (0.1, 160.0), (0.85, 20.0), (0.65, 80.0)]:
        assert qps_at(points, recall) == pytest.approx(speed)
    assert qps_at(points, 0.91) is None
    speeds = [qps_at(points, recall) for recall in np.linspace(0, 0.9, 40)]
    assert (np.diff(speeds) <= 1e-9).all()


def row(method, size, recall, qps, nprobe=1, **engine):
    return Row(method, size, nprobe, 1, {"recall@100": recall, "qps": qps, **engine}, {})


def test_methods_at_shares_of_exact_search():
    rows = [
        row("float", 64, 1.0, 5.0, None),
        row("opq", 8, 0.5, 100.0),
        row("opq", 8, 0.75, 25.0, 4),
        row("opq", 16, 0.75, 60.0, 4),
        row("fast", 8, 0.9, 50.0, **{"engine_recall@100": 0.5}),
    ]
    levels, found = at_equal_recall(rows, (0.5, 0.75))
    assert levels == pytest.approx([0.5, 0.75])
    assert found == [
        ("opq", 8, [pytest.approx(100), pytest.approx(25)]),
        ("fast", 8, [pytest.approx(50), None]),  # by what the engine finds, not by what its codes would
        ("opq", 16, [pytest.approx(60), pytest.approx(60)]),
        ("float", 64, [pytest.approx(5), pytest.approx(5)]),
        ("opq", None, [pytest.approx(100), pytest.approx(60)]),
    ]


def test_best_of_sizes_is_not_slower_than_each_size():
    # Of both together a line would go from (.8, 90) to (.7, 100), below what the larger one does at .75.
    rows = [
        row("float", 64, 1.0, 5.0, None),
        *(row("opq", 8, recall, qps) for recall, qps in ((0.7, 100.0), (0.6, 200.0))),
        *(row("opq", 16, recall, qps) for recall, qps in ((0.8, 90.0), (0.69, 99.0), (0.5, 110.0))),
    ]
    _, found = at_equal_recall(rows, (0.6, 0.72, 0.75, 0.8))
    speeds = {size: values for method, size, values in found if method == "opq"}
    for own in (8, 16):
        assert all(best >= value for best, value in zip(speeds[None], speeds[own], strict=True) if value is not None)
    assert speeds[None][-1] == pytest.approx(90)

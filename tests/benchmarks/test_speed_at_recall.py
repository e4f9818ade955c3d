from __future__ import annotations

import pytest

from benchmarks.frozen.speed_at_recall import speed_ratios


def test_of_several_sizes_the_fastest_counts_on_both_sides():
    found = [
        ("opq", 16, [100.0, 50.0, None]),
        ("opq", 32, [80.0, 60.0, 20.0]),
        ("opq", None, [100.0, 60.0, 20.0]),
        ("scann", 16, [200.0, None, None]),
        ("poeem-pq", 16, [300.0, 120.0, 30.0]),
        ("poeem-fastscan", 16, [500.0, None, None]),
    ]
    assert speed_ratios(found) == {"opq": [5.0, 2.0, 1.5], "scann": [2.5, None, None]}
    assert speed_ratios(found, "poeem-pq")["opq"] == pytest.approx([3.0, 2.0, 1.5])

from __future__ import annotations

from benchmarks.frozen.figures import best_of, won
from poeem.bench.summary import Row


def rows(*cells):
    return [Row(method, size, None, 1, {"recall@100": value}, {}, rescore) for method, size, value, rescore in cells]


def test_one_line_from_two_methods():
    found = rows(("a", 4, 0.1, 0), ("a", 8, 0.2, 0), ("a", 16, 0.3, 0), ("b", 8, 0.4, 0), ("b", 16, 0.5, 0))
    line = best_of(found, (("a", 8), ("b", 64)))
    assert [(row.method, row.bytes_per_vector) for row in line] == [("a", 4), ("a", 8), ("b", 16)]


def test_ours_must_find_more_than_others_of_as_many_bytes_or_fewer():
    ours = rows(("poeem-rq", 4, 0.7, 0), ("poeem-rq", 8, 0.8, 0), ("poeem-rq", 32, 0.85, 0))
    stock = rows(("opq", 4, 0.5, 0), ("opq", 8, 0.6, 0), ("rabitq", 16, 0.9, 0))
    not_compared = rows(("binary", 4, 0.95, 400), ("jpq", 4, 0.9, 0))
    assert [row.bytes_per_vector for row in won(ours, ours + stock + not_compared)] == [4, 8]

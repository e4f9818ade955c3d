"""What searchers refuse, and what they let through."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.engines.queries import any_missing, prepare_queries


def rows(n, **cells):
    queries = np.random.default_rng(0).standard_normal((n, 3)).astype("float32")
    for place, value in cells.items():
        queries[int(place[1:])] = value
    return queries


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, [1, np.nan, 2]])
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_values_that_are_not_finite_are_refused(n, value, metric):
    with pytest.raises(ValueError, match=rf"queries: row {n - 1} has NaN or infinite values \(1 of {n} rows\)"):
        prepare_queries(rows(n, **{f"_{n - 1}": value}), 3, metric)


@pytest.mark.parametrize("n", [1, 5])
def test_zero_rows_are_refused_under_cosine_alone(n):
    queries = rows(n, _0=0)
    np.testing.assert_array_equal(prepare_queries(queries, 3, "ip"), queries)
    with pytest.raises(ValueError, match="row 0 has a zero vector"):
        prepare_queries(queries, 3, "cosine")


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.filterwarnings("error")
def test_rows_whose_squares_float32_cannot_hold_are_sound(n, scale):
    queries = rows(n) * np.float32(scale)
    np.testing.assert_array_equal(prepare_queries(queries, 3, "cosine"), queries)


def test_a_query_without_enough_items_is_seen():
    assert any_missing(np.array([[1, 2], [3, -1]]))
    assert not any_missing(np.array([[1, 2], [3, 4]]))
    assert not any_missing(np.zeros((0, 2), np.int64))

import numpy as np
import pytest

from poeem.evaluation.intervals import query_interval, seed_interval


@pytest.mark.parametrize("n", [2, 3, 5, 31, 40])
def test_seed_interval_is_students(n):
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(n).normal(size=n)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert seed_interval(values) == pytest.approx(
        (values.mean(), low, high), abs=(high - low) / 2 * (0.04 if n > 31 else 1e-3)
    )


def test_query_interval_agrees_with_the_normal_one_and_with_its_seed():
    values = np.random.default_rng(0).random(2000) < 0.3
    interval = query_interval(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert interval == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.003)
    assert interval == query_interval(values)
    assert interval != query_interval(values, seed=1)


def test_too_few_values():
    with pytest.raises(ValueError, match="at least 2 seeds"):
        seed_interval(np.array([1.0]))
    with pytest.raises(ValueError, match="one figure for each query"):
        query_interval(np.array([]))

import numpy as np
import pytest
from scipy import stats

from poeem.evaluation.intervals import FEW_QUERIES, few_queries_note, format_figure, mean_interval, with_intervals


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 7), (180, FEW_QUERIES - 1), (0, 50), (50, 50)])
def test_few_queries_have_wilsons_interval(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = mean_interval(np.arange(n) < hits)
    assert found == pytest.approx((hits / n, expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_many_queries_have_students_interval():
    values = np.random.default_rng(0).random(FEW_QUERIES)
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert mean_interval(values) == pytest.approx((values.mean(), low, high), abs=1e-12)
    assert mean_interval(np.ones(FEW_QUERIES)) == (1.0, 1.0, 1.0)


def test_the_interval_covers_the_mean_of_the_population():
    rng = np.random.default_rng(0)
    for n in (20, 400):
        intervals = [mean_interval(rng.random(n) ** 3) for _ in range(300)]
        assert sum(found.low <= 0.25 <= found.high for found in intervals) >= 0.92 * 300


def test_a_figure_past_one_by_rounding_is_taken():
    assert mean_interval(np.array([1 + 2e-16, 1.0])).high == 1.0


def test_values_outside_0_to_1_are_refused():
    for values in ([], [1.5], [-0.1], [np.nan], [[0.5]]):
        with pytest.raises(ValueError, match="one figure from 0 to 1"):
            mean_interval(np.array(values))


def test_interval_is_shown_for_few_queries():
    few = with_intervals({"recall@100": np.ones(12), "mrr@10": np.ones(300)})
    many = with_intervals({"recall@100": np.ones(300)})
    assert format_figure(few, "recall@100") == "1.0000 (0.76-1.00)"
    assert format_figure(many, "recall@100") == "1.0000"
    assert few_queries_note([many]) is None
    assert few_queries_note([many, few]).startswith("Only 12 test queries")
    assert few_queries_note([{"queries": 1}]).startswith("Only 1 test query:")
    # A block that an earlier version has written.
    assert format_figure({"recall@100": 0.5}, "recall@100") == "0.5000"

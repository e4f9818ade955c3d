import numpy as np
import pytest

from poeem.bench.measure import measure, measure_engine
from poeem.data.ragged import Ragged
from poeem.evaluation import recall
from poeem.evaluation.scorers import DecodedScorer, FloatScorer


def by_sorting(problem, metric):
    return np.argsort(-FloatScorer(problem.items, metric).scores(problem.queries), axis=1)[:, :10]


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_figures_by_blocks_equal_those_of_a_sort(problem, metric, monkeypatch):
    monkeypatch.setattr(recall, "BLOCK_SCORES", 7 * 400)
    rounded = np.round(problem.items).astype(np.float64)
    found = measure(
        DecodedScorer(rounded, metric),
        problem.queries,
        by_sorting(problem, metric),
        problem.relevant,
    )
    q, x = problem.queries.astype(np.float64), problem.items.astype(np.float64)
    if metric == "cosine":
        q, x = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (q, x))

    def ranks(items):
        scores = -np.square(q[:, None] - items).sum(-1) if metric == "l2" else q @ items.T
        return (-scores).argsort(1).argsort(1) + 1

    of_codes, exact = ranks(rounded), ranks(x)
    nearest = exact <= 10
    answers = problem.relevant.values
    own = of_codes[np.arange(30), answers]
    assert found["neighbour_recall@10"] == pytest.approx((nearest & (of_codes <= 10)).sum() / 300)
    assert found["neighbour_recall@10_in_100"] == pytest.approx((nearest & (of_codes <= 100)).sum() / 300)
    assert found["recall@10"] == pytest.approx((own <= 10).mean())
    assert found["recall@100"] == pytest.approx((own <= 100).mean())
    assert found["mrr@10"] == pytest.approx(np.where(own <= 10, 1 / own, 0).mean())


def test_without_labels_only_neighbours_are_measured(problem):
    found = measure(FloatScorer(problem.items, "ip"), problem.queries, by_sorting(problem, "ip"))
    names = ("neighbour_recall@10", "neighbour_recall@10_in_100")
    assert found.keys() == {*names, "queries", "intervals"}
    assert [found[name] for name in names] == [1.0, 1.0]


def test_recall_of_returned_rows():
    class Fixed:
        def search(self, x, k):
            rows = np.arange(200, 200 + k)[None].repeat(3, 0)
            rows[0, :2] = [3, 4]
            rows[1, 50] = 7
            rows[2, 60:] = -1  # lists that held no more
            return np.zeros(rows.shape, np.float32), rows

    neighbours = np.arange(10)[None].repeat(3, 0)
    # One relevant item in front; one of two in the middle; one that is not there, and -1 is no item.
    relevant = Ragged.from_lengths(np.array([1, 2, 1]), np.array([4, 7, 8, 9]))
    found = measure_engine(Fixed(), np.zeros((3, 4), np.float32), neighbours, relevant)
    assert found["engine_recall@100"] == pytest.approx((1 + 0.5 + 0) / 3)
    # Of the ten nearest two are among the first ten of one query; the one at place 50 is not.
    assert found["engine_neighbour_recall@10"] == pytest.approx(2 / 30)

import math

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.evaluation.metrics import METRICS, expected_ranks, mask_seen, ranking_metrics


def slow_rank(scores: list[float], item: int) -> float:
    """Mean place over all orders of equals: half of the equals stand before."""
    if scores[item] == -math.inf:
        return math.inf
    better = sum(s > scores[item] for s in scores)
    equal = sum(s == scores[item] for i, s in enumerate(scores) if i != item)
    return better + 1 + equal / 2


def slow_metrics(scores: list[float], seen: list[int], relevant: list[int]) -> dict[str, float]:
    scores = [-math.inf if i in seen and i not in relevant else s for i, s in enumerate(scores)]
    ranks = sorted(slow_rank(scores, item) for item in relevant)
    dcg = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    return {
        "recall@10": sum(rank <= 10 for rank in ranks) / len(relevant),
        "recall@100": sum(rank <= 100 for rank in ranks) / len(relevant),
        "precision@100": sum(rank <= 100 for rank in ranks) / 100,
        "ndcg@10": dcg / sum(1 / math.log2(place + 1) for place in range(1, min(10, len(relevant)) + 1)),
        "mrr@10": 1 / ranks[0] if ranks[0] <= 10 else 0.0,
    }


def ragged(rows) -> Ragged:
    return Ragged.from_lengths(np.array([len(row) for row in rows]), np.array([v for row in rows for v in row], int))


@pytest.mark.parametrize("levels", [10**6, 40, 3])  # hardly any ties, some, nearly all scores tied
@pytest.mark.parametrize("most_relevant", [1, 20])
def test_against_the_slow_definition(levels, most_relevant):
    random = np.random.default_rng(levels)
    nq, n = 25, 300
    scores = (random.integers(0, levels, (nq, n)) / 7).astype(np.float32)
    scores[random.random((nq, n)) < 0.1] = -np.inf
    # Good targets, so that ranks up to 10 are met; some also among the seen items, some at -inf.
    relevant = [
        random.choice(np.argsort(-row)[: max(40, n // 3)], random.integers(1, most_relevant + 1), replace=False)
        for row in scores
    ]
    relevant[3] = np.array([int(np.argmin(scores[3]))])
    seen = [random.choice(n, random.integers(0, 50), replace=False) for _ in range(nq)]
    seen[0] = np.append(seen[0], relevant[0])

    wanted = ragged(relevant)
    ranks = expected_ranks(mask_seen(scores, ragged(seen), wanted), wanted)
    values = ranking_metrics(ranks, wanted.offsets)
    for i in range(nq):
        expected = slow_metrics(scores[i].tolist(), seen[i].tolist(), relevant[i].tolist())
        assert {name: value[i] for name, value in values.items()} == pytest.approx(expected, abs=1e-12)
    assert values["recall@100"][3] == 0, "an item that is not reached is a miss"


def test_against_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    random = np.random.default_rng(5)
    nq, n = 40, 400
    scores = random.normal(size=(nq, n))
    lengths = random.integers(1, 30, nq)
    rows = [random.choice(np.argsort(-own)[:200], length, replace=False) for own, length in zip(scores, lengths)]
    relevant = ragged(rows)
    values = ranking_metrics(expected_ranks(scores, relevant), relevant.offsets)
    names = {
        "recall@10": ir_measures.R @ 10,
        "recall@100": ir_measures.R @ 100,
        "precision@100": ir_measures.P @ 100,
        "ndcg@10": ir_measures.nDCG @ 10,
        "mrr@10": ir_measures.RR @ 10,
    }
    judged = {str(i): {str(item): 1 for item in own} for i, own in enumerate(rows)}
    run = {str(i): {str(item): float(score) for item, score in enumerate(own)} for i, own in enumerate(scores)}
    found = {
        (metric.measure, int(metric.query_id)): metric.value
        for metric in ir_measures.iter_calc(list(names.values()), judged, run)
    }
    assert values.keys() == names.keys()
    for name, measure in names.items():
        np.testing.assert_allclose(values[name], [found[measure, i] for i in range(nq)], rtol=0, atol=1e-9)


def test_rank_is_the_mean_over_random_orders_of_equals():
    random = np.random.default_rng(0)
    scores = np.array([2.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    places = [np.lexsort((random.random(6), -scores)).tolist().index(2) + 1 for _ in range(4000)]
    assert expected_ranks(scores[None], ragged([[2]]))[0] == 3.5 == pytest.approx(np.mean(places), abs=0.1)


def test_masking_does_not_change_its_input():
    scores = np.ones((1, 3))
    mask_seen(scores, ragged([[0, 1]]), ragged([[1]]))
    assert scores.tolist() == [[1, 1, 1]]


def test_nan_and_missing_targets_are_refused():
    with pytest.raises(ValueError, match="scores hold NaN"):
        expected_ranks(np.array([[0.0, np.nan]]), ragged([[0]]))
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        ranking_metrics(np.array([1.0]), np.array([0, 1, 1]))


def test_every_metric_is_defined():
    assert {metric.direction for metric in METRICS.values()} == {"up", "down"}
    assert set(ranking_metrics(np.array([1.0]), np.array([0, 1]))) <= set(METRICS)
    assert all(metric.name == name and metric.formula and metric.unit for name, metric in METRICS.items())


def test_items_of_one_code_have_equal_ranks():
    score = np.float32(0.3)
    scores = np.array(
        [[score, np.nextafter(score, np.float32(1)), 1.0, np.nextafter(score, np.float32(0))]], np.float32
    )
    relevant = Ragged(np.array([0, 1]), np.array([0]))
    assert expected_ranks(scores, relevant).tolist() == [3.0]
    assert expected_ranks(scores + np.float32([[0, 1e-4, 0, 0]]), relevant).tolist() == [3.5]

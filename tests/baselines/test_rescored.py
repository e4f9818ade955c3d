import numpy as np
import pytest

from poeem.baselines import build_baseline
from poeem.baselines.rescored import rescored

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(300, 8)).astype(np.float32)
QUERIES = RANDOM.normal(size=(6, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_candidates_by_codes_in_the_order_of_exact_scores(metric):
    built = build_baseline("pq", ITEMS, M=4, nbits=4, metric=metric, seed=0)
    again = rescored(built, ITEMS, 20, metric=metric)
    q, x = QUERIES, ITEMS
    if metric == "cosine":
        q, x = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (q, x))
    exact = -np.square(q[:, None] - x).sum(-1) if metric == "l2" else q @ x.T
    scores = again.scores(QUERIES)
    first = np.argsort(-built.scores(QUERIES), axis=1)[:, :20]
    for row, rows in enumerate(first):
        assert set(np.flatnonzero(np.isfinite(scores[row]))) == set(rows)
        assert scores[row, rows] == pytest.approx(exact[row, rows], abs=1e-4)
    _, rows = again.index.search(q, 5)
    assert np.array_equal(rows, np.argsort(-scores, axis=1)[:, :5])
    assert again.bytes_per_vector == built.bytes_per_vector


def test_all_of_them_is_exact_search_and_unprobed_lists_stay_out():
    built = build_baseline("pq", ITEMS, M=4, nbits=4, nlist=8, nprobe=2, metric="ip", seed=0)
    scores = rescored(built, ITEMS, 300, metric="ip").scores(QUERIES)
    assert np.array_equal(np.isneginf(scores), np.isneginf(built.scores(QUERIES)))
    reached = np.isfinite(scores)
    assert scores[reached] == pytest.approx((QUERIES @ ITEMS.T)[reached], abs=1e-4)
    with pytest.raises(ValueError, match=r"depth \(=0\)"):
        rescored(built, ITEMS, 0, metric="ip")

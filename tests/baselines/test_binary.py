import numpy as np
import pytest

from poeem.baselines import build_baseline

RANDOM = np.random.default_rng(0)
ITEMS, QUERIES = RANDOM.normal(size=(50, 20)), RANDOM.normal(size=(5, 20))


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_scores_are_inner_products_with_signs(metric):
    baseline = build_baseline("binary", ITEMS, M=4, nlist=7, metric=metric)
    queries = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True) if metric == "cosine" else QUERIES
    assert baseline.scores(QUERIES) == pytest.approx(queries @ np.sign(ITEMS).T, abs=1e-5)
    assert baseline.bytes_per_vector == 3  # 20 bits

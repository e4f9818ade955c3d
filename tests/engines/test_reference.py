from __future__ import annotations

import numpy as np
import pytest

from poeem.engines import reference
from poeem.engines.reference import ReferenceScorer

SPECS = ["PQ4", "OPQ4,PQ4x5", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4", "RQ3x6", "IVF8,RQ3x6"]


def some_queries(n=7, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("equal", [True, False])
def test_scores_and_search_equal_the_formulas(make_bundle, oracle, monkeypatch, spec, metric, equal):
    # Small blocks: every seam between blocks of rows and of queries is crossed.
    monkeypatch.setattr(reference, "_BLOCK_BYTES", 16 * 8 * 50)
    monkeypatch.setattr(reference, "_QUERIES_AT_ONCE", 4)
    bundle = make_bundle(spec, metric, equal=equal, rows=150)
    scorer = ReferenceScorer(bundle)
    unreached = np.inf if metric == "l2" else -np.inf
    for nprobe in (None, 1, 3):
        expected = oracle.scores(bundle, some_queries(), nprobe)
        found = scorer.scores(some_queries(), nprobe)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.where(np.isnan(expected), unreached, expected), rtol=1e-5, atol=1e-5)
        for k in (1, 10, 200):
            best, rows = scorer.search(some_queries(), k, nprobe)
            assert best.dtype == np.float32
            assert rows.dtype == np.int64
            oracle.assert_search_is_right(best, rows, expected, metric != "l2")
        largest = scorer.ranked(some_queries(), 3, nprobe)[2]
        np.testing.assert_allclose(largest, np.nanmax(np.abs(expected), 1), rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_decodes_as_the_formula(make_bundle, oracle, spec):
    bundle = make_bundle(spec)
    scorer = ReferenceScorer(bundle)
    np.testing.assert_allclose(scorer.decode(), oracle.decode(bundle), atol=1e-6)
    np.testing.assert_array_equal(scorer.decode(np.array([5, 2])), scorer.decode()[[5, 2]])


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_queries_go_through_the_adapter(make_bundle, oracle, metric):
    adapter = np.random.default_rng(3).standard_normal((16, 16)).astype("float32")
    bundle = make_bundle("OPQ4,IVF8,PQ4", metric, extra_arrays={"query_adapter": adapter})
    found = ReferenceScorer(bundle).scores(some_queries(), 2)
    expected = oracle.scores(bundle, some_queries(), 2)
    np.testing.assert_allclose(np.where(np.isfinite(found), found, np.nan), expected, rtol=1e-5, atol=1e-5)


def test_equal_scores_are_ranked_by_row(make_bundle):
    bundle = make_bundle("PQ4", codes=np.zeros((300, 4), np.uint8))
    _, rows = ReferenceScorer(bundle).search(some_queries(), 20)
    np.testing.assert_array_equal(rows, np.tile(np.arange(20), (7, 1)))


@pytest.mark.parametrize(
    ("queries", "metric", "message"),
    [
        (np.zeros(16), "ip", r"queries must have shape \(nq, 16\), not \(16,\); pass a single query as q\[None\]"),
        (np.zeros((2, 8)), "ip", r"not \(2, 8\); the index has dim=16"),
        ([[np.nan] * 16], "l2", r"queries: row 0 has NaN or infinite values \(1 of 1 rows\)"),
        ([[1e39] + [0.0] * 15], "ip", "NaN or infinite"),
        (np.eye(16)[:3] * [[1], [0], [1]], "cosine", r"queries: row 1 has a zero vector, which has no direction"),
        (np.full((1, 16), "a"), "ip", "queries must be numbers"),
    ],
)
def test_queries_that_cannot_be_scored_are_refused(make_bundle, queries, metric, message):
    scorer = ReferenceScorer(make_bundle(metric=metric))
    with np.errstate(over="ignore"):
        for call in (scorer.scores, lambda q: scorer.search(q, 3)):
            with pytest.raises(ValueError, match=message):
                call(queries)


def test_k_and_nprobe_must_be_whole_numbers_of_at_least_one(make_bundle):
    scorer = ReferenceScorer(make_bundle())
    with pytest.raises(ValueError, match=r"k \(=0\) must be"):
        scorer.search(some_queries(), 0)
    with pytest.raises(ValueError, match=r"nprobe \(=0\) must be"):
        scorer.search(some_queries(), 3, nprobe=0)
    with pytest.raises(ValueError, match=r"nprobe \(=2.5\) must be"):
        scorer.scores(some_queries(), nprobe=2.5)
    np.testing.assert_array_equal(scorer.scores(some_queries(), 99), scorer.scores(some_queries()))


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_scores_beyond_float32_are_refused(make_bundle, metric):
    queries = some_queries()
    queries[2] = 3e38
    with pytest.raises(ValueError, match="queries: row 2 has values so large that float32 cannot hold its scores"):
        ReferenceScorer(make_bundle("PQ4", metric)).search(queries, 5)

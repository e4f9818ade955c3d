"""What faiss brings beside its indexes works on our files as they are."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from faiss.contrib.big_batch_search import big_batch_search
from faiss.contrib.evaluation import check_ref_knn_with_draws
from faiss.contrib.ivf_tools import search_preassigned

from poeem.engines.export import export
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.reference import ReferenceScorer


def some_queries(n=40, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


def exported(make_bundle, tmp_path, spec, metric, **options):
    bundle = make_bundle(spec, metric, ids=np.arange(300))
    export(bundle, "faiss", tmp_path / "x.faiss", fastscan=False, **options)
    return bundle, faiss.read_index(str(tmp_path / "x.faiss"))


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["OPQ4,PQ4", "OPQ4,IVF8,PQ4", "IVF8,PQ4x4", "IVF8,RQ3x6"])
def test_faiss_compares_our_results_with_the_references(make_bundle, tmp_path, spec, metric):
    bundle, index = exported(make_bundle, tmp_path, spec, metric, nprobe=8)
    expected, rows = ReferenceScorer(bundle).search(some_queries(), 10)
    scores, ids = index.search(some_queries(), 10)
    check_ref_knn_with_draws(expected, rows, scores, ids)


# By L2: faiss subtracts the centroid from the query there, which is wrong under inner product for its own indexes too.
@pytest.mark.parametrize("method", ["index", "knn_function"])
def test_big_batches_are_searched(make_bundle, tmp_path, method, capsys):
    _, index = exported(make_bundle, tmp_path, "IVF8,PQ4", "l2", nprobe=3)
    expected, rows = index.search(some_queries(), 10)
    scores, ids = big_batch_search(index, some_queries(), 10, method=method, threaded=0)
    capsys.readouterr()
    # Another order of float32 sums: equal up to rounding, which may swap neighbours.
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert (ids == rows).mean() > 0.99


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_lists_of_another_router_are_searched(make_bundle, tmp_path, metric):
    bundle, index = exported(make_bundle, tmp_path, "IVF8,PQ4", metric)
    queries, coarse = some_queries().astype(np.float64), bundle.arrays["coarse"].astype(np.float64)
    products = queries @ coarse.T
    distances = products if metric == "ip" else ((queries[:, None] - coarse) ** 2).sum(2)
    lists = np.random.default_rng(7).permuted(np.tile(np.arange(8), (40, 1)), axis=1)[:, :3]
    scores, ids = search_preassigned(
        index, some_queries(), 5, lists, np.take_along_axis(distances, lists, axis=1).astype("float32")
    )
    reference = ReferenceScorer(bundle).scores(some_queries())
    for i in range(40):
        visited = np.flatnonzero(np.isin(bundle.lists, lists[i]))
        own = np.sort(reference[i, visited])
        np.testing.assert_allclose(scores[i], own[:5] if metric == "l2" else own[::-1][:5], rtol=1e-4, atol=1e-4)
        assert np.isin(ids[i], visited).all()


def test_faiss_tunes_nprobe(make_bundle, tmp_path):
    bundle, index = exported(make_bundle, tmp_path, "OPQ4,IVF8,PQ4", "l2")
    truth = ReferenceScorer(bundle).search(some_queries(), 1)[1]
    criterion = faiss.OneRecallAtRCriterion(40, 1)
    criterion.nnn = 1
    criterion.set_groundtruth(None, truth)
    space = faiss.ParameterSpace()
    space.verbose = 0
    space.initialize(index)
    points = space.explore(index, some_queries(), criterion)
    best = max(points.optimal_pts.at(i).perf for i in range(points.optimal_pts.size()))
    # It tries powers of two below nlist; that many lists hold so many of the nearest items.
    assert best == (ReferenceScorer(bundle).search(some_queries(), 1, nprobe=4)[1] == truth).mean() > 0.9
    space.set_index_parameter(index, "nprobe", 8)
    assert parts_of(index).inner.nprobe == 8

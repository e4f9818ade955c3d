"""FastScan, refining, a graph over the centroids, lists on disk: the same index in other forms."""

from __future__ import annotations

import os

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import open_engine
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.faiss.read import from_faiss
from poeem.engines.reference import ReferenceScorer
from tests.engines.faiss.queries import METRICS, near, some_queries


def exact(bundle, vectors, queries):
    """Scores of the vectors themselves, float64."""
    vectors, queries = vectors.astype(np.float64), queries.astype(np.float64)
    if bundle.metric == "l2":
        return np.array([((vectors - query) ** 2).sum(1) for query in queries])
    if bundle.metric == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    return queries @ vectors.T


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", ["PQ4x4", "OPQ8,PQ8x4", "IVF8,PQ8x4", "OPQ8,IVF8,PQ8x4"])
def test_fast_scan_finds_the_best_among_its_first(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric, rows=2000)
    report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8, fastscan=True)
    assert report.options == {"fastscan": True}
    assert report.results_checked == 50
    assert report.worst_score_error < 0.05
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    assert parts_of(index).fastscan
    ids = index.search(some_queries(), 50)[1]
    best = bundle.ids[ReferenceScorer(bundle).search(some_queries(), 10)[1]]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(best, ids)]) > 0.98
    # and back again, to the bit
    again = from_faiss(tmp_path / "x.faiss").bundle(tmp_path / "again")
    assert again.fingerprint == bundle.fingerprint
    np.testing.assert_array_equal(again.codes[again.row_of(bundle.ids)], bundle.codes)


def test_fast_scan_with_an_odd_number_of_words(make_bundle, tmp_path):
    export(make_bundle("IVF4,PQ5x4", dim=15, rows=1000), "faiss", tmp_path / "x.faiss", fastscan=True)


@pytest.mark.parametrize("seed", range(6))
def test_fast_scan_of_few_items(make_bundle, tmp_path, seed):
    # Stock FastScan does not return all 40 of 40: the worst inner products come out as none.
    report = export(make_bundle("PQ2x4", dim=8, rows=40, seed=seed), "faiss", tmp_path / "x.faiss", fastscan=True)
    assert report.results_checked == 20


def test_equal_items_tie_in_fast_scan_too(make_bundle, tmp_path):
    bundle = make_bundle("PQ4x4", codes=np.zeros((300, 4), np.uint8))
    assert export(bundle, "faiss", tmp_path / "x.faiss", fastscan=True).rank_agreement == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("refine", ["flat", "fp16", "sq8"])
@pytest.mark.parametrize("spec", ["OPQ4,PQ4", "OPQ4,IVF8,PQ4", "IVF8,RQ3x6"])
def test_refining_ranks_by_the_vectors(make_bundle, tmp_path, spec, metric, refine):
    bundle = make_bundle(spec, metric)
    vectors = near(bundle)
    np.save(tmp_path / "v.npy", vectors)
    file = tmp_path / "x.faiss"
    report = export(bundle, "faiss", file, nprobe=8, refine=refine, vectors=str(tmp_path / "v.npy"), k_factor=30)
    assert report.worst_score_error <= 1e-5
    assert report.options["refined_score_error"] < 0.02
    index = faiss.read_index(str(file))
    scores, ids = index.search(some_queries(), 10)  # 10 * 30 candidates: all
    truth = exact(bundle, vectors, some_queries())
    rows = bundle.row_of(ids.ravel()).reshape(ids.shape)
    scale = np.abs(truth).max()
    np.testing.assert_allclose(scores, np.take_along_axis(truth, rows, axis=1), atol=0.02 * scale)
    best = np.sort(truth if metric == "l2" else -truth, axis=1)[:, :10] * (1 if metric == "l2" else -1)
    np.testing.assert_allclose(scores, best, atol=0.02 * scale)
    # by our searcher, also at another nprobe and with a choice of ids
    searcher = open_engine(file)
    np.testing.assert_array_equal(searcher.search(some_queries(), 10)[1], ids)
    only = bundle.ids[:40]
    assert set(searcher.search(some_queries(), 40, nprobe=7, only=only)[1].ravel()) <= {*only, -1}


def test_vectors_of_other_items_are_refused(make_bundle, tmp_path):
    bundle = make_bundle()
    vectors = near(bundle)
    for wrong, message in (
        (np.roll(vectors, 3, axis=0), "are not those of the bundle's items: they lie no nearer to their own codes"),
        (vectors[:5], r"must be floats of shape \(300, 16\)"),
        (np.where(np.arange(300)[:, None] == 7, np.nan, vectors), "row 7 is not finite"),
        (None, "needs vectors=, the items' float vectors"),
    ):
        with pytest.raises(ValueError, match=message):
            export(bundle, "faiss", tmp_path / "x.faiss", refine="fp16", vectors=wrong)
    (tmp_path / "v.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"v.npy'\) is no .npy file"):
        export(bundle, "faiss", tmp_path / "x.faiss", refine="fp16", vectors=tmp_path / "v.npy")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", ["IVF64,PQ4", "OPQ4,IVF64,PQ4", "IVF64,RQ3x6"])
def test_a_graph_finds_the_lists(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric, rows=1000)
    report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8, hnsw=True)
    assert report.options["lists_found"] >= 0.9
    assert report.worst_score_error <= 1e-5
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    assert isinstance(parts_of(parts_of(index).inner.quantizer).inner, faiss.IndexHNSWFlat)
    ids = index.search(some_queries(), 10)[1]
    best = bundle.ids[ReferenceScorer(bundle).search(some_queries(), 10, nprobe=8)[1]]
    assert (ids == best).mean() > 0.95


def test_a_graph_under_fast_scan(make_bundle, tmp_path):
    bundle = make_bundle("IVF64,PQ8x4", rows=2000)
    report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8, hnsw=True, fastscan=True)
    assert set(report.options) == {"fastscan", "hnsw", "lists_found"}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", ["IVF8,PQ4", "OPQ4,IVF8,PQ4x5", "IVF8,RQ3x6"])
def test_lists_stay_on_disk(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "x.faiss"
    report = export(bundle, "faiss", file, nprobe=3, on_disk=True)
    assert report.rows == 300
    assert sorted(os.listdir(tmp_path / "out")) == sorted(["x.faiss", "x.faiss.json", report.lists_file])
    (tmp_path / "out").rename(tmp_path / "moved")
    file = tmp_path / "moved" / "x.faiss"
    stock = faiss.read_index(str(file), faiss.IO_FLAG_ONDISK_SAME_DIR)
    assert isinstance(faiss.downcast_InvertedLists(parts_of(stock).inner.invlists), faiss.OnDiskInvertedLists)
    scores, ids = stock.search(some_queries(), 20)
    expected, expected_ids = open_engine(bundle).search(some_queries(), 20, nprobe=3)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(np.where(ids < 0, 0, scores), np.where(ids < 0, 0, expected), rtol=1e-5)
    np.testing.assert_array_equal(open_engine(file).search(some_queries(), 20)[1], ids)
    # a second export takes the place of the first, lists and all
    second = export(bundle, "faiss", file, on_disk=True)
    assert sorted(os.listdir(tmp_path / "moved")) == sorted(["x.faiss", "x.faiss.json", second.lists_file])
    export(bundle, "faiss", file)
    assert sorted(os.listdir(tmp_path / "moved")) == ["x.faiss", "x.faiss.json"]


@pytest.mark.parametrize(
    ("spec", "metric", "options", "message"),
    [
        ("PQ4", "ip", {"fastscan": True}, "fastscan needs 4-bit codes, PQ4 has 8-bit ones; train with PQ8x4"),
        ("RQ3x8", "ip", {"fastscan": True}, "fastscan needs 4-bit codes, RQ3x8 has 8-bit ones; train with RQ6x4"),
        ("RQ3x4", "l2", {"fastscan": True}, "fastscan of RQ3x4 needs ip or cosine, not l2"),
        ("RQ3x4", "ip", {"fastscan": True, "residual_quantizer": True}, "does not go together"),
        ("PQ4", "ip", {"residual_quantizer": True}, "residual_quantizer is a form of RQ, not of PQ4"),
        ("PQ4", "ip", {"hnsw": True}, "hnsw finds inverted lists, but PQ4 has none; train with IVF<nlist>"),
        ("PQ4", "ip", {"on_disk": True}, "only inverted lists can stay on disk, and PQ4 has none"),
        ("IVF8,PQ4x4", "ip", {"on_disk": True, "fastscan": True}, "do not go together with fastscan"),
        ("PQ4", "ip", {"refine": "fp8", "vectors": 0}, r"refine \(='fp8'\) must be one of flat, fp16, sq8"),
        ("PQ4", "ip", {"vectors": np.zeros((300, 16))}, "vectors are kept by refine only"),
        ("PQ4", "ip", {"k_factor": 0}, r"k_factor \(=0\) must be at least 1"),
    ],
)
def test_options_that_do_not_suit_are_refused_with_the_mend(make_bundle, tmp_path, spec, metric, options, message):
    with pytest.raises(ValueError, match=message):
        export(make_bundle(spec, metric), "faiss", tmp_path / "x.faiss", **options)
    assert os.listdir(tmp_path) == ["bundle"]


def test_fast_scan_by_inner_product_needs_centroids_of_one_norm(make_bundle, tmp_path):
    bundle = make_bundle("IVF8,PQ4x4", "ip", equal=False)
    with pytest.raises(ValueError, match="fastscan under ip needs centroids of one norm"):
        export(bundle, "faiss", tmp_path / "x.faiss", fastscan=True)
    export(make_bundle("IVF8,PQ4x4", "l2", equal=False), "faiss", tmp_path / "x.faiss", fastscan=True)

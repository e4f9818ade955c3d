from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import open_engine
from poeem.engines.reference import ReferenceScorer


def some_queries(n=7, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["PQ4", "OPQ4,PQ4x5", "IVF8,PQ4", "OPQ4,IVF8,PQ4x4", "RQ3x6", "IVF8,RQ3x6"])
def test_searches_as_the_reference_at_every_nprobe(make_bundle, oracle, tmp_path, spec, metric):
    adapter = np.random.default_rng(3).standard_normal((16, 16)).astype("float32")
    bundle = make_bundle(spec, metric, extra_arrays={"query_adapter": adapter})
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=3, fastscan=False)
    reference = ReferenceScorer(bundle)
    for searcher in (open_engine(tmp_path / "x.faiss", bundle), open_engine(bundle), open_engine(bundle.path)):
        assert (searcher.metric, searcher.dim, len(searcher)) == (metric, 16, 300)
        for nprobe in (None, 1, 3, 8, 100):
            # 250 results of few lists: some places stay empty
            scores, ids = searcher.search(some_queries(), 250, nprobe)
            expected, rows = reference.search(some_queries(), 250, nprobe or searcher.nprobe)
            np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
            np.testing.assert_array_equal(ids < 0, rows < 0)
            assert (ids == np.where(rows < 0, -1, bundle.ids[rows])).mean() > 0.99
    assert open_engine(tmp_path / "x.faiss", bundle).nprobe == (3 if bundle.spec.nlist else 1)


def test_string_ids_come_back_as_strings(make_bundle, tmp_path):
    names = [f"item {i}" for i in range(300)]
    bundle = make_bundle("OPQ4,IVF8,PQ4", ids=names)
    export(bundle, "faiss", tmp_path / "x.faiss")
    searcher = open_engine(tmp_path / "x.faiss", bundle)
    scores, ids = searcher.search(some_queries(), 250, nprobe=1)
    expected, rows = ReferenceScorer(bundle).search(some_queries(), 250, nprobe=1)
    assert ids.tolist() == [[None if row < 0 else names[row] for row in line] for line in rows]
    np.testing.assert_array_equal(np.isneginf(scores), np.isneginf(expected))
    assert None in ids


def test_threads_may_search_at_different_nprobe(make_bundle):
    searcher = open_engine(make_bundle())
    expected = {nprobe: searcher.search(some_queries(), 20, nprobe)[1] for nprobe in range(1, 9)}
    wrong = []

    def search(nprobe):
        for _ in range(20):
            if not np.array_equal(searcher.search(some_queries(), 20, nprobe)[1], expected[nprobe]):
                wrong.append(nprobe)

    threads = [threading.Thread(target=search, args=(nprobe,)) for nprobe in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_impossible_searches_are_refused(make_bundle):
    searcher = open_engine(make_bundle(metric="cosine"))
    with pytest.raises(ValueError, match="zero vector"):
        searcher.search(np.zeros((1, 16)), 3)
    with pytest.raises(ValueError, match="NaN"):
        searcher.search(np.full((1, 16), np.nan), 3)
    with pytest.raises(ValueError, match=r"k \(=-1\)"):
        searcher.search(some_queries(), -1)
    with pytest.raises(ValueError, match=r"nprobe \(=0\)"):
        open_engine(make_bundle("PQ4")).search(some_queries(), 3, nprobe=0)


def test_a_file_and_a_bundle_that_do_not_belong_together_are_refused(make_bundle, tmp_path):
    file = tmp_path / "x.faiss"
    bundle = make_bundle(ids=[f"item {i}" for i in range(300)])
    export(bundle, "faiss", file)
    with pytest.raises(ValueError, match="was written from another training than"):
        open_engine(file, make_bundle(seed=1, name="other"))
    renamed = make_bundle(ids=[f"thing {i}" for i in range(300)], name="other")
    assert renamed.fingerprint == bundle.fingerprint
    with pytest.raises(ValueError, match="was written from other items than"):
        open_engine(file, renamed)
    sidecar = tmp_path / "x.faiss.json"
    facts = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**facts, "bytes": 3}))
    with pytest.raises(ValueError, match=r"is not the file that x.faiss.json is about"):
        open_engine(file, bundle)
    sidecar.write_text("{}")
    with pytest.raises(ValueError, match="is no report of an export"):
        open_engine(file, bundle)
    sidecar.unlink()
    assert open_engine(file, bundle).search(some_queries(), 1)[1].dtype == object
    with pytest.raises(ValueError, match=r"300 rows\) is not of the bundle"):
        open_engine(file, make_bundle(rows=20, name="third"))


def test_an_adapter_needs_its_bundle(make_bundle, tmp_path):
    bundle = make_bundle(extra_arrays={"query_adapter": np.eye(16, dtype=np.float32)})
    export(bundle, "faiss", tmp_path / "x.faiss")
    with pytest.raises(ValueError, match="its queries go through an adapter"):
        open_engine(tmp_path / "x.faiss")


def test_integer_ids_need_no_bundle(make_bundle, tmp_path):
    bundle = make_bundle()
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8)
    ids = open_engine(tmp_path / "x.faiss").search(some_queries(), 10)[1]
    np.testing.assert_array_equal(ids, bundle.ids[ReferenceScorer(bundle).search(some_queries(), 10)[1]])


def test_what_is_no_faiss_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no faiss file and no bundle at"):
        open_engine(tmp_path / "nowhere")
    (tmp_path / "x.faiss").write_bytes(b"not an index")
    with pytest.raises(ValueError, match=r"x.faiss' is no faiss index, or a damaged one \("):
        open_engine(tmp_path / "x.faiss")


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["PQ4", "OPQ4,PQ4x4", "IVF8,PQ4", "OPQ4,IVF8,PQ4x4", "RQ3x6", "IVF8,RQ3x6"])
def test_a_search_can_be_restricted_to_ids(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=3, fastscan=False)
    searcher = open_engine(tmp_path / "x.faiss")
    only = np.random.default_rng(4).permutation(bundle.ids)[:60]
    others = np.setdiff1d(bundle.ids, only)
    for nprobe in (3, 8):
        expected = oracle.scores(bundle, some_queries(), nprobe)
        expected[:, ~np.isin(bundle.ids, only)] = np.nan
        # ids that the index does not hold mean nothing
        scores, ids = searcher.search(some_queries(), 70, nprobe, only=[*only, 5])
        oracle.assert_search_is_right(scores, oracle.rows_of(bundle, ids), expected, metric != "l2")
        scores, ids = searcher.search(some_queries(), 9, nprobe, exclude=others)
        oracle.assert_search_is_right(scores, oracle.rows_of(bundle, ids), expected, metric != "l2")
    assert (searcher.search(some_queries(), 5, only=[])[1] == -1).all()
    np.testing.assert_array_equal(
        searcher.search(some_queries(), 5, exclude=[])[1], searcher.search(some_queries(), 5)[1]
    )


@pytest.mark.parametrize("spec", ["PQ8x4", "IVF8,PQ8x4"])
def test_a_fast_scan_search_can_be_restricted_too(make_bundle, tmp_path, spec):
    bundle = make_bundle(spec, rows=2000)
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8, fastscan=True)
    searcher = open_engine(tmp_path / "x.faiss")
    only = bundle.ids[:30]
    ids = searcher.search(some_queries(), 30, only=only)[1]
    assert all(set(row) == set(only) for row in ids.tolist())
    with pytest.raises(ValueError, match="not possible for a FastScan index"):
        searcher.range_search(some_queries(), 1.0)


def test_strings_can_be_chosen(make_bundle):
    names = [f"item {i}" for i in range(300)]
    searcher = open_engine(make_bundle("OPQ4,IVF8,PQ4", ids=names))
    ids = searcher.search(some_queries(), 5, nprobe=8, only=names[:5])[1]
    assert all(set(row) == set(names[:5]) for row in ids.tolist())
    with pytest.raises(ValueError, match="'nothing' is not among the 300 items"):
        searcher.search(some_queries(), 5, only=["nothing"])


def test_impossible_choices_are_refused(make_bundle):
    searcher = open_engine(make_bundle())
    with pytest.raises(ValueError, match="only= and exclude= cannot be combined"):
        searcher.search(some_queries(), 5, only=[1], exclude=[2])
    with pytest.raises(ValueError, match="ids must be integers as in the index, not <U1"):
        searcher.search(some_queries(), 5, only=["a"])
    with pytest.raises(ValueError, match=r"threshold \(=nan\) must be a finite number"):
        searcher.range_search(some_queries(), float("nan"))


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["OPQ4,PQ4x5", "OPQ4,IVF8,PQ4", "RQ3x6", "IVF8,RQ3x6"])
def test_all_items_better_than_a_threshold(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    export(bundle, "faiss", tmp_path / "x.faiss")
    searcher = open_engine(tmp_path / "x.faiss", memory_map=True)
    larger = metric != "l2"
    for nprobe in (2, 8):
        expected = oracle.scores(bundle, some_queries(), nprobe)
        ordered = np.sort(expected[~np.isnan(expected)])
        middle = len(ordered) // 2
        # Between two scores: at one of them rounding would decide.
        threshold = float(ordered[middle - 1 : middle + 1].mean())
        limits, scores, ids = searcher.range_search(some_queries(), threshold, nprobe)
        assert len(limits) == 8
        for i, row in enumerate(expected):
            some = slice(limits[i], limits[i + 1])
            better = np.flatnonzero(row > threshold if larger else row < threshold)
            assert set(ids[some]) == set(bundle.ids[better])
            np.testing.assert_allclose(scores[some], np.sort(row[better])[:: -1 if larger else 1], rtol=1e-4, atol=1e-4)
        chosen = searcher.range_search(some_queries(), threshold, nprobe, exclude=bundle.ids[:100])
        assert chosen[0][-1] == len(chosen[2]) == (~np.isin(ids, bundle.ids[:100])).sum()


@pytest.mark.parametrize("spec", ["OPQ4,PQ4", "OPQ4,IVF8,PQ4"])
def test_a_file_can_be_mapped(make_bundle, tmp_path, spec):
    export(make_bundle(spec), "faiss", tmp_path / "x.faiss")
    plain, mapped = (open_engine(tmp_path / "x.faiss", memory_map=on) for on in (False, True))
    for found, expected in zip(mapped.search(some_queries(), 9), plain.search(some_queries(), 9)):
        np.testing.assert_array_equal(found, expected)

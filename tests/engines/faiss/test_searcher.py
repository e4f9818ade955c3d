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
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=3)
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
    with pytest.raises(ValueError, match=r"needs its bundle: its ids are strings; pass bundle=poeem.open"):
        open_engine(file)
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

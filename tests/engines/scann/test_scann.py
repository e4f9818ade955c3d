"""ScaNN over files that it has not written, against formulas in float64."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("scann", reason="engine 'scann' needs scann: pip install 'poeem-torch[scann]' (on Linux)")

from scann.scann_ops.py import scann_ops_pybind

import poeem
from poeem.engines.scann import files, open_scann
from poeem.engines.self_check import EngineMismatch

CASES = [
    ("IVF8,PQ8x4", "ip"),
    ("OPQ8,IVF8,PQ8x4", "cosine"),
    ("OPQ4,IVF300,PQ4x4", "ip"),
    ("PQ4x4", "l2"),
    ("OPQ16,PQ16x4", "cosine"),
]


@pytest.mark.parametrize(("spec", "metric"), CASES)
def test_the_best_are_among_the_first_and_lists_are_visited_as_trained(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric, rows=2000)
    report = poeem.export(bundle, "scann", tmp_path / "items.scann", nprobe=3)
    assert report.rank_agreement >= 0.99
    assert report.worst_score_error <= 0.02
    searcher = open_scann(tmp_path / "items.scann", bundle)
    queries = np.random.default_rng(1).standard_normal((10, 16))
    for nprobe in (None, 1, bundle.spec.nlist or 1):
        scores, ids = searcher.search(queries, 50, nprobe)
        rows = oracle.rows_of(bundle, ids)
        expected = oracle.scores(bundle, queries, nprobe or 3)
        for i in range(10):
            hits = rows[i][rows[i] >= 0]
            assert len(hits) == min(50, (~np.isnan(expected[i])).sum())
            scale = np.nanmax(np.abs(expected[i]))
            np.testing.assert_allclose(scores[i][: len(hits)], expected[i][hits], atol=0.03 * scale)
            assert (scores[i][len(hits) :] == (np.inf if metric == "l2" else -np.inf)).all()
            best = np.argsort(expected[i] if metric == "l2" else -expected[i])[: min(10, len(hits))]
            assert np.isin(best, hits).mean() >= 0.9


@pytest.mark.parametrize(("spec", "metric"), CASES)
@pytest.mark.parametrize("k", [10, 400])
def test_one_query_finds_what_it_finds_among_others(make_bundle, tmp_path, spec, metric, k):
    bundle = make_bundle(spec, metric, rows=2000)
    poeem.export(bundle, "scann", tmp_path / "items.scann", nprobe=1)
    searcher = open_scann(tmp_path / "items.scann")
    # Of several lengths, so that a factor of another query would show.
    queries = np.random.default_rng(1).standard_normal((10, 16)) * np.geomspace(1e-2, 1e3, 10)[:, None]
    scores, ids = searcher.search(queries, k)
    for i in range(10):
        own_scores, own_ids = searcher.search(queries[i : i + 1], k)
        np.testing.assert_allclose(own_scores[0], scores[i], rtol=1e-3)
        # ScaNN's tables of 8 bits make many scores equal, in any order.
        assert np.isin(own_ids, ids[i]).mean() > 0.95
        assert own_scores.dtype == np.float32
        assert own_ids.dtype == np.int64


def test_stock_scann_loads_the_folder(make_bundle, oracle, tmp_path):
    bundle = make_bundle("OPQ8,IVF8,PQ8x4", "ip", rows=2000)
    poeem.export(bundle, "scann", tmp_path / "items.scann", nprobe=8)
    queries = np.random.default_rng(1).standard_normal((10, 16)).astype("float32")
    stock = scann_ops_pybind.load_searcher(str(tmp_path / "items.scann"))
    rows, scores = stock.search_batched(queries @ bundle.arrays["rotation"], final_num_neighbors=10)
    own, ids = open_scann(tmp_path / "items.scann").search(queries, 10)
    np.testing.assert_array_equal(bundle.ids[rows], ids)
    np.testing.assert_allclose(scores, own, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_small_and_large_vectors_keep_their_ranks(make_bundle, tmp_path, scale):
    rng = np.random.default_rng(0)
    arrays = {
        "codebooks": rng.normal(0, 0.4 * scale, (8, 16, 2)).astype("float32"),
        "coarse": (3 * scale * np.eye(16)[:8]).astype("float32"),
    }
    bundle = make_bundle("IVF8,PQ8x4", "ip", extra_arrays=arrays)
    queries = 1e-3 * rng.standard_normal((20, 16))
    report = poeem.export(bundle, "scann", tmp_path / "items.scann", queries=queries)
    assert report.worst_score_error <= 0.02


def test_string_ids_and_a_query_adapter(make_bundle, oracle, tmp_path):
    adapter = np.random.default_rng(5).standard_normal((16, 16)).astype("float32")
    names = np.array([f"item {i}" for i in range(300)], dtype=object)
    bundle = make_bundle("IVF8,PQ8x4", "ip", extra_arrays={"query_adapter": adapter}, ids=names)
    report = poeem.export(bundle, "scann", tmp_path / "items.scann")
    assert (report.id_type, report.query_adapter) == ("string", True)
    queries = np.random.default_rng(1).standard_normal((5, 16))
    _, ids = open_scann(tmp_path / "items.scann").search(queries, 300, 1)
    expected = oracle.scores(bundle, queries, 1)
    for i in range(5):
        found = [int(one.split()[1]) for one in ids[i] if one is not None]
        assert set(found) == set(np.flatnonzero(~np.isnan(expected[i])).tolist())


def test_a_moved_folder_is_found_and_its_paths_follow(make_bundle, tmp_path, monkeypatch):
    bundle = make_bundle("IVF8,PQ8x4", "ip")
    poeem.export(bundle, "scann", tmp_path / "items.scann")
    queries = np.random.default_rng(1).standard_normal((5, 16)).astype("float32")
    expected = open_scann(tmp_path / "items.scann").search(queries, 10)
    moved = tmp_path / 'else "where"' / "moved.scann"
    moved.parent.mkdir()
    shutil.move(tmp_path / "items.scann", moved)
    listed = (moved / "scann_assets.pbtxt").read_text()
    with monkeypatch.context() as patched:
        # A folder that cannot be written to: its list stays as it was, and it is read all the same.
        real = type(moved).write_text

        def write_text(self, *values, **options):
            if self.parent == moved.resolve():
                raise PermissionError
            return real(self, *values, **options)

        patched.setattr(type(moved), "write_text", write_text)
        np.testing.assert_array_equal(open_scann(moved).search(queries, 10)[1], expected[1])
        assert (moved / "scann_assets.pbtxt").read_text() == listed
    np.testing.assert_array_equal(open_scann(moved).search(queries, 10)[1], expected[1])
    stock = scann_ops_pybind.load_searcher(str(moved))
    assert bundle.ids[stock.search_batched(queries, final_num_neighbors=10)[0]].tolist() == expected[1].tolist()


@pytest.mark.parametrize(
    ("spec", "metric", "equal", "message"),
    [
        ("IVF8,PQ8", "ip", True, "has no 8-bit codes; train with nbits 4, or export to faiss or lance"),
        ("IVF8,PQ8x4", "l2", True, "codes no residuals under l2; train without IVF, or for ip or cosine"),
        ("IVF8,RQ4x4", "ip", True, "has no RQ quantizer; train PQ"),
        ("IVF8,PQ8x4", "ip", False, "needs centroids of one norm"),
    ],
)
def test_what_scann_cannot_hold_is_refused(make_bundle, tmp_path, spec, metric, equal, message):
    with pytest.raises(ValueError, match=message):
        poeem.export(make_bundle(spec, metric, equal=equal), "scann", tmp_path / "x.scann")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_export_that_fails_its_check_is_not_kept(make_bundle, tmp_path, monkeypatch):
    bundle = make_bundle("IVF8,PQ8x4", "ip", rows=2000)
    poeem.export(bundle, "scann", tmp_path / "x.scann")
    before = (tmp_path / "x.scann.json").read_text()
    real = files._codebooks
    monkeypatch.setattr(files, "_codebooks", lambda codebooks: real(np.roll(codebooks, 1, axis=1)))
    with pytest.raises(EngineMismatch, match="scann does not score as the reference"):
        poeem.export(bundle, "scann", tmp_path / "x.scann")
    assert (tmp_path / "x.scann.json").read_text() == before
    assert len(open_scann(tmp_path / "x.scann", bundle)) == 2000


def test_damaged_and_foreign_folders_are_refused(make_bundle, tmp_path):
    bundle = make_bundle("OPQ8,IVF8,PQ8x4", "ip")
    report = poeem.export(bundle, "scann", tmp_path / "x.scann")
    stored = json.loads((tmp_path / "x.scann.json").read_text())
    assert stored == {**json.loads(report.to_json()), "path": "x.scann"}
    with pytest.raises(FileNotFoundError, match="no export for ScaNN at"):
        open_scann(tmp_path)
    with pytest.raises(ValueError, match="from another training"):
        open_scann(tmp_path / "x.scann", dataclasses.replace(bundle, fingerprint="0" * 64))
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="exists and is no export for ScaNN"):
        poeem.export(bundle, "scann", tmp_path / "other")
    (tmp_path / "x.scann" / "ah_codebook.pb").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be loaded by ScaNN"):
        open_scann(tmp_path / "x.scann")
    (tmp_path / "x.scann" / "ids.parquet").unlink()
    with pytest.raises(ValueError, match="is no whole export for ScaNN"):
        open_scann(tmp_path / "x.scann")

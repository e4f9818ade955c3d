from __future__ import annotations

import json

import numpy as np
import pytest

from poeem.engines import export as export_module
from poeem.engines.capabilities import CAPABILITIES, Capabilities
from poeem.engines.export import export
from poeem.engines.faiss import open_engine


def test_exports_a_bundle_or_where_it_is(make_bundle, tmp_path):
    bundle = make_bundle()
    first = export(bundle, "faiss", tmp_path / "a.faiss")
    second = export(bundle.path, "faiss", str(tmp_path / "b.faiss"))
    assert (tmp_path / "a.faiss").read_bytes() == (tmp_path / "b.faiss").read_bytes()
    assert first.fingerprint == second.fingerprint == bundle.fingerprint


def test_the_report_is_json_and_one_line(make_bundle, tmp_path):
    report = export(make_bundle(), "faiss", tmp_path / "a.faiss")
    facts = json.loads(report.to_json())
    assert facts["engine"] == "faiss"
    assert facts["rows"] == 300
    assert facts["bytes"] == (tmp_path / "a.faiss").stat().st_size
    assert facts["rank_agreement"] == 1.0
    assert 0 < facts["worst_score_error"] <= 1e-5
    assert "300 items as faiss OPQ4,IVF8,PQ4 (ip)" in str(report)
    assert "\n" not in str(report)


def test_unknown_engines_and_options_are_refused(make_bundle, tmp_path):
    with pytest.raises(ValueError, match=r"engine \(='lucene'\) cannot be exported to; choose one of faiss"):
        export(make_bundle(), "lucene", tmp_path / "x")
    with pytest.raises(ValueError, match="engine 'faiss' has no option 'speed'; it has nprobe, fastscan, hnsw"):
        export(make_bundle(), "faiss", tmp_path / "x", speed=3)
    with pytest.raises(FileNotFoundError, match="no bundle at"):
        export(tmp_path / "nowhere", "faiss", tmp_path / "x")


@pytest.mark.parametrize("name", ["items.parquet", "manifest.json", "new.faiss", "."])
def test_an_export_does_not_overwrite_its_bundle(make_bundle, name):
    bundle = make_bundle()
    with pytest.raises(ValueError, match="lies in the bundle that is exported"):
        export(bundle, "faiss", bundle.path / name)


def test_an_engine_that_cannot_hold_the_index_is_not_asked_to(make_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(CAPABILITIES, "toy", Capabilities(rotation=False))
    monkeypatch.setitem(export_module.WRITERS, "toy", ("poeem.engines.faiss.write", "write_faiss", None))
    with pytest.raises(ValueError, match="has no rotation"):
        export(make_bundle(), "toy", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("scale", [1e-41, 1e-30, 1e30])
def test_arrays_that_float32_cannot_sum_are_named(make_bundle, tmp_path, scale):
    bundle = make_bundle("PQ4", extra_arrays={"codebooks": np.full((4, 256, 4), scale, np.float32)})
    with pytest.raises(ValueError, match="leave float32's range; scale the vectors"):
        export(bundle, "faiss", tmp_path / "x.faiss")


@pytest.mark.parametrize("spec", ["PQ4", "IVF8,PQ4", "IVF8,PQ4x4", "IVF8,RQ3x6"])
@pytest.mark.parametrize("first", [-(2**63), -150, 2**63 - 300])
def test_ids_at_the_ends_of_int64(make_bundle, tmp_path, spec, first):
    ids = np.int64(first) + np.arange(300)
    ids = ids[ids != -1]
    bundle = make_bundle(spec, rows=len(ids), ids=ids)
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8)
    scores, found = open_engine(tmp_path / "x.faiss").search(np.ones((2, 16)), len(ids))
    assert np.isfinite(scores[found != -1]).all()
    assert set(found[found != -1].tolist()) <= set(ids.tolist())
    some = ids[:20]
    only = open_engine(tmp_path / "x.faiss").search(np.ones((1, 16)), 20, only=some)[1]
    assert set(only[0]) - {-1} <= set(some.tolist())

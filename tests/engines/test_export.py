from __future__ import annotations

import json

import pytest

from poeem.engines import export as export_module
from poeem.engines.capabilities import CAPABILITIES, Capabilities
from poeem.engines.export import export


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


def test_an_engine_that_cannot_hold_the_index_is_not_asked_to(make_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(CAPABILITIES, "toy", Capabilities(rotation=False))
    monkeypatch.setitem(export_module.WRITERS, "toy", ("poeem.engines.faiss.write", "write_faiss", None))
    with pytest.raises(ValueError, match="has no rotation"):
        export(make_bundle(), "toy", tmp_path / "x")
    assert not (tmp_path / "x").exists()

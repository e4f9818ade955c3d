"""The default form of a faiss file."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import write
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.refresh import refresh
from poeem.engines.self_check import EngineMismatch


def inner_of(path):
    return parts_of(faiss.read_index(str(path))).inner


@pytest.mark.parametrize(
    ("spec", "kind", "metric"),
    [
        ("OPQ8,PQ8x4", faiss.IndexPQFastScan, "ip"),
        ("OPQ8,PQ8x4", faiss.IndexPQFastScan, "l2"),
        ("OPQ8,PQ8x4", faiss.IndexPQFastScan, "cosine"),
        ("OPQ8,IVF8,PQ8x4", faiss.IndexIVFPQFastScan, "ip"),
        ("OPQ8,IVF8,PQ8x4", faiss.IndexIVFPQFastScan, "l2"),
        ("OPQ8,IVF8,PQ8x4", faiss.IndexIVFPQFastScan, "cosine"),
        ("RQ8x4", faiss.IndexPQFastScan, "ip"),
        ("RQ7x4", faiss.IndexPQFastScan, "cosine"),
        ("IVF8,RQ8x4", faiss.IndexIVFPQFastScan, "ip"),
        ("IVF8,RQ8x4", faiss.IndexIVFPQFastScan, "cosine"),
    ],
)
def test_codes_of_4_bits_become_fastscan(make_bundle, tmp_path, spec, kind, metric):
    bundle = make_bundle(spec, metric, rows=2000)
    report = export(bundle, "faiss", tmp_path / "x.faiss")
    assert type(inner_of(tmp_path / "x.faiss")) is kind
    assert report.options == {"fastscan": True}
    assert report.worst_score_error < 0.05
    assert report.rank_agreement >= 0.99
    assert "as faiss FastScan" in str(report)
    exact = export(bundle, "faiss", tmp_path / "y.faiss", fastscan=False)
    assert type(inner_of(tmp_path / "y.faiss")) is (faiss.IndexIVFPQ if bundle.spec.nlist else faiss.IndexPQ)
    assert exact.options == {"fastscan": False}
    assert exact.worst_score_error < 1e-5


def test_a_refining_file_scans_fast_too(make_bundle, tmp_path):
    from poeem.engines.reference import ReferenceScorer

    bundle = make_bundle("IVF8,PQ8x4", rows=2000)
    report = export(bundle, "faiss", tmp_path / "x.faiss", refine="fp16", vectors=ReferenceScorer(bundle).decode())
    assert report.options["fastscan"] is True
    assert type(inner_of(tmp_path / "x.faiss")) is faiss.IndexIVFPQFastScan


@pytest.mark.parametrize(
    ("spec", "metric", "equal", "options"),
    [
        ("IVF8,PQ4x4", "ip", False, {}),  # centroids of free norm
        ("PQ4", "ip", True, {}),
        ("RQ3x4", "l2", True, {}),
        ("IVF8,PQ4x4", "ip", True, {"on_disk": True}),
    ],
)
def test_what_cannot_scan_fast_gets_the_exact_form(make_bundle, tmp_path, spec, metric, equal, options):
    report = export(make_bundle(spec, metric, equal=equal), "faiss", tmp_path / "x.faiss", **options)
    assert "fastscan" not in report.options
    assert report.worst_score_error < 1e-5


def test_where_fastscan_scores_too_badly_the_default_is_exact(make_bundle, tmp_path, monkeypatch):
    bundle = make_bundle("PQ8x4")
    real = write.check_scores

    def strict(bundle, index, queries=None):
        if parts_of(index).fastscan:
            raise EngineMismatch("faiss does not score as the reference: 7 %; nothing was kept")
        return real(bundle, index, queries)

    monkeypatch.setattr(write, "check_scores", strict)
    report = export(bundle, "faiss", tmp_path / "x.faiss")
    assert report.options["fastscan"] is False
    assert "FastScan is left out: faiss does not score as the reference: 7 %" in str(report)
    with pytest.raises(EngineMismatch):
        export(bundle, "faiss", tmp_path / "y.faiss", fastscan=True)
    assert not (tmp_path / "y.faiss").exists()


@pytest.mark.parametrize("fastscan", [True, False])
def test_a_refresh_keeps_the_form(make_bundle, tmp_path, fastscan):
    export(make_bundle("PQ8x4"), "faiss", tmp_path / "x.faiss", fastscan=fastscan)
    other = make_bundle("PQ8x4", name="next", ids=np.arange(300))
    assert refresh(other, tmp_path / "x.faiss") is not None
    assert json.loads((tmp_path / "x.faiss.json").read_text())["options"] == {"fastscan": fastscan}
    assert parts_of(faiss.read_index(str(tmp_path / "x.faiss"))).fastscan is fastscan

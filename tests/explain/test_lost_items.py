"""Why single items are lost, against scores of decoded vectors in float64."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.bundle import write_bundle
from poeem.engines.reference import ReferenceScorer
from poeem.explain.lost_items import lost_items
from poeem.spec import IndexSpec


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("spec", ["IVF8,PQ4x4", "PQ4x4"])
def test_causes_and_ranks(tmp_path, metric, spec):
    rng = np.random.default_rng(0)
    parsed = IndexSpec.parse(spec)
    arrays = {"codebooks": rng.standard_normal((4, 16, 2)).astype("f4")}
    if parsed.nlist:
        arrays["coarse"] = (4 * np.eye(8)).astype("f4")
    bundle = write_bundle(
        tmp_path / "b",
        spec=parsed,
        metric=metric,
        dim=8,
        arrays=arrays,
        ids=np.arange(200),
        codes=rng.integers(0, 16, (200, 4)),
        lists=rng.integers(0, 8, 200) if parsed.nlist else None,
    )
    query = rng.standard_normal(8).astype("f4")
    decoded = ReferenceScorer(bundle).decode().astype(np.float64)
    scores = decoded @ query if metric == "ip" else -((decoded - query) ** 2).sum(1)
    left_out = np.argsort(-scores)[:2]
    nearest = np.argsort(-(4 * query if metric == "ip" else 8 * query - 16))[:3]
    visited = np.isin(bundle.lists, nearest) if parsed.nlist else np.ones(200, bool)
    candidates = np.where(visited, scores, -np.inf)
    candidates[left_out] = -np.inf
    ranked = np.argsort(-candidates)
    rows = np.setdiff1d(np.arange(200), np.r_[ranked[:10], left_out])
    scanned = lost_items(bundle, query, rows, 10, 3, left_out)
    assert (scanned.lists, scanned.rows) == ((3, visited.sum()) if parsed.nlist else (0, 200))
    for item in scanned.lost:
        assert item.cause == ("code" if visited[item.row] else "probing")
        if visited[item.row]:
            assert item.rank == 1 + list(ranked).index(item.row)
            assert f"rank {item.rank:,} by codes" in item.text
        assert item.score == pytest.approx(
            scores[item.row] if metric == "ip" else -scores[item.row], rel=1e-5, abs=1e-5
        )
    assert [item.row for item in scanned.lost] == rows.tolist()

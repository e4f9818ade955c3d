"""Exported folders of engines that keep more than codes; the command's own tests are beside it."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch

import poeem
from poeem.bundle import BundleEditor, open_bundle
from poeem.engines.reference import ReferenceScorer
from poeem.engines.refresh import refresh

SPECS = {"scann": "OPQ8,IVF8,PQ8x4", "lance": "OPQ4,IVF8,PQ4"}


@pytest.fixture(params=sorted(SPECS))
def served(request, tmp_path):
    """An exported index of 2000 items of which one is deleted and two are added since."""
    pytest.importorskip(request.param, reason=f"engine {request.param!r} is an optional install")
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((40, 16))[rng.integers(0, 40, 2002)] + 0.3 * rng.standard_normal((2002, 16))).astype(
        "float32"
    )
    index = poeem.EmbeddingIndex(dim=16, spec=SPECS[request.param], metric="ip")
    index.warm_start(torch.from_numpy(vectors))
    bundle = index.eval().bundle(np.arange(2000), vectors[:2000], tmp_path / "bundle")
    stored = {"vectors": vectors[:2000]} if request.param == "lance" else {}
    file = tmp_path / f"items.{request.param}"
    poeem.export(bundle, request.param, file, nprobe=3, **stored)
    with BundleEditor(bundle.path) as editor:
        editor.delete([17])
        editor.add([7001, 7002], vectors[2000:])
    now = np.delete(vectors, 17, axis=0)
    return request.param, bundle.path, file, now if request.param == "lance" else None


def test_the_folder_has_the_rows_of_now(served):
    engine, folder, file, vectors = served
    report = refresh(folder, file, vectors=vectors)
    assert report is not None
    assert (report.engine, report.rows, report.nprobe) == (engine, 2001, 3)
    bundle = open_bundle(folder)
    searcher = getattr(import_module(f"poeem.engines.{engine}"), f"open_{engine}")(file, bundle)
    _, ids = searcher.search(ReferenceScorer(bundle).decode()[-2:], 2001, 8)
    assert all({7001, 7002} <= set(row) for row in ids.tolist())
    assert 17 not in ids
    assert refresh(folder, file, vectors=vectors) is None


def test_lance_asks_for_the_vectors_it_stores(served):
    engine, folder, file, _ = served
    if engine == "lance":
        with pytest.raises(ValueError, match="vectors"):
            refresh(folder, file)

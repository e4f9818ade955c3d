"""Filtered search: k results where k exist, and the same as filtering the exact ranking."""

import numpy as np
import pyarrow as pa
import pytest

from poeem.engines.faiss import open_engine
from poeem.engines.filtered_search import search_matching
from poeem.engines.reference import ReferenceScorer
from poeem.layers.embedding_index import EmbeddingIndex


@pytest.mark.parametrize("spec", ["PQ4x4", "IVF16,PQ4x4", "RQ3x4"])
def test_a_rare_condition_still_fills_the_results(spec, tmp_path):
    import torch

    items = np.random.default_rng(0).standard_normal((400, 8)).astype("f4")
    index = EmbeddingIndex(8, spec, metric="ip")
    index.warm_start(torch.from_numpy(items))
    columns = pa.table({"rare": np.arange(400) % 40 == 0})
    bundle = index.eval().bundle(np.arange(400) + 1000, items, tmp_path / "bundle", columns=columns)
    engine, rare = open_engine(bundle), np.arange(0, 400, 40)
    queries = np.random.default_rng(1).standard_normal((5, 8)).astype("f4")

    def search(some, nprobe):
        return engine.search(some, 8, nprobe, only=bundle.ids[rare])

    scores, ids = search_matching(search, queries, 8, len(rare), nlist=engine.nlist, nprobe=1 if engine.nlist else None)
    assert (ids >= 0).all()
    reference = ReferenceScorer(bundle).scores(queries)[:, rare]
    best = np.sort(reference, axis=1)[:, ::-1][:, :8]
    full = search_matching(search, queries, 8, len(rare), nlist=engine.nlist, nprobe=engine.nlist or None)
    np.testing.assert_allclose(full[0], best, rtol=1e-4, atol=1e-5)
    assert scores.shape == (5, 8)
    if engine.nlist:
        assert (search(queries, 1)[1] < 0).any(), "one list alone does not hold eight of them"

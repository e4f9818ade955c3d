"""An additive index from training to a stock engine."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

import poeem


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["RQ4x5", "RQ2", "IVF8,RQ4x4"])
def test_faiss_scores_what_training_scored(tmp_path, spec, metric):
    g = torch.Generator().manual_seed(0)
    x, queries = torch.randn(500, 12, generator=g), torch.randn(20, 12, generator=g)
    index = poeem.EmbeddingIndex(12, spec, metric=metric)
    index.warm_start(x)
    optimizer = torch.optim.Adam(index.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        index(x).distortion.backward()
        optimizer.step()
    bundle = index.bundle(np.arange(500) + 1000, x, tmp_path / "bundle")
    report = poeem.export(bundle, "faiss", tmp_path / "items.faiss", fastscan=False)
    assert report.rank_agreement == 1.0

    x_hat = index.eval()(x).embedding.detach().double()
    q = queries.double() / (queries.double().norm(dim=1, keepdim=True) if metric == "cosine" else 1)
    scores = torch.cdist(q, x_hat).square() if metric == "l2" else q @ x_hat.T
    expected = scores.sort(1, descending=metric != "l2").values[:, :10]
    stock = faiss.read_index(str(tmp_path / "items.faiss"))
    if index.spec.nlist:
        faiss.extract_index_ivf(stock).nprobe = index.spec.nlist
    found, ids = stock.search(queries.numpy(), 10)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(scores.gather(1, torch.from_numpy(ids) - 1000).numpy(), expected.numpy(), atol=1e-4)

"""The embedding index against its contract in numpy float64."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from tests.layers.samples import ready, sample

SPECS = ["PQ4x4", "OPQ4,PQ4x4", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4x4"]


METRICS = ["ip", "l2", "cosine"]


def by_definition(index, x):
    """The layer's contract in numpy float64: x_hat, codes, lists."""
    arrays = {name: array.astype(np.float64) for name, array in index.arrays().items()}
    x = x.detach().numpy().astype(np.float64)
    if index.metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ arrays["rotation"] if "rotation" in arrays else x
    lists, centroid = None, 0.0
    if "coarse" in arrays:
        lists = ((y[:, None] - arrays["coarse"]) ** 2).sum(-1).argmin(1)
        centroid = arrays["coarse"][lists]
    books = arrays["codebooks"]
    slices = (y - centroid).reshape(len(x), len(books), 1, -1)
    codes = ((slices - books) ** 2).sum(-1).argmin(-1)
    y_hat = centroid + np.concatenate([books[m][codes[:, m]] for m in range(len(books))], axis=1)
    x_hat = y_hat @ arrays["rotation"].T if "rotation" in arrays else y_hat
    return x, x_hat, codes, lists


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("training", [True, False])
def test_computes_what_the_contract_says(spec, metric, training):
    index = ready(spec, metric).train(training)
    x = sample()
    out = index(x)
    exact, x_hat, codes, lists = by_definition(index, x)
    assert (out.codes.numpy() == codes).all()
    assert (out.lists is None) == (lists is None)
    if lists is not None:
        assert (out.lists.numpy() == lists).all()
    np.testing.assert_allclose(out.embedding.detach().numpy(), x_hat, atol=2e-6)
    assert out.distortion.item() == pytest.approx(((x_hat - exact) ** 2).sum(1).mean(), rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
def test_training_encoding_and_decoding_agree(spec, metric):
    index = ready(spec, metric)
    x = sample()
    out = index(x)
    codes, lists = index.eval().encode(x)
    assert torch.equal(codes, out.codes)
    assert lists is None if out.lists is None else torch.equal(lists, out.lists)
    torch.testing.assert_close(index.decode(codes, lists), out.embedding.detach(), atol=1e-6, rtol=0)


def test_decoding_and_encoding_again_is_stable_for_flat_pq():
    index = ready("OPQ4,PQ4x4", "l2").eval()
    codes, _ = index.encode(sample())
    assert torch.equal(index.encode(index.decode(codes))[0], codes)


@pytest.mark.parametrize(("estimator", "learns_from_the_task"), [("ste", False), ("task", True)])
def test_where_the_gradients_go(estimator, learns_from_the_task):
    index = ready(metric="ip", estimator=estimator)
    x = sample(50).requires_grad_()
    weights = torch.randn(50, 16, generator=torch.Generator().manual_seed(3))
    (index(x).embedding * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)
    received = {name: p.grad is not None and bool(p.grad.abs().sum() > 0) for name, p in index.named_parameters()}
    assert set(received.values()) == {learns_from_the_task}, received
    index.zero_grad()
    x.grad = None
    index(x).distortion.backward()
    assert x.grad is None
    assert all(p.grad.abs().sum() > 0 for p in index.parameters())


def test_the_distortions_gradient_is_that_of_finite_differences():
    index = ready("IVF8,PQ4x4", "l2")
    x = sample(30)
    index(x).distortion.backward()
    with torch.no_grad():
        for parameter in (index.quantizer.codebooks, index.coarse.directions):
            where = parameter.grad.abs().argmax()
            flat, step = parameter.view(-1), 1e-3
            flat[where] += step
            up = index(x).distortion.double()
            flat[where] -= 2 * step
            down = index(x).distortion.double()
            flat[where] += step
            assert ((up - down) / (2 * step)).item() == pytest.approx(parameter.grad.view(-1)[where].item(), rel=0.02)


def test_training_lowers_the_distortion_and_keeps_the_rotation():
    index = EmbeddingIndex(16, "OPQ4,IVF8,PQ4x4", metric="l2")
    index.warm_start(sample(200, seed=9))
    x = sample(1000)
    optimizer = torch.optim.Adam(index.parameters(), lr=3e-3)
    before = index.eval()(x).distortion.item()
    index.train()
    for _ in range(200):
        optimizer.zero_grad()
        index(x).distortion.backward()
        optimizer.step()
    assert index.eval()(x).distortion.item() < 0.9 * before
    R = index.rotation.matrix().double()
    assert (R.T @ R - torch.eye(16)).abs().max() < 1e-5


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_centroids_keep_one_norm_through_training(metric):
    index = ready(metric=metric)
    optimizer = torch.optim.Adam(index.parameters(), lr=1e-2)
    for step in range(20):
        optimizer.zero_grad()
        index(sample(100, seed=step)).distortion.backward()
        optimizer.step()
    norms = np.linalg.norm(index.arrays()["coarse"].astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, norms[0], rtol=1e-6)


def test_passes_three_phases():
    index = EmbeddingIndex(16, "OPQ4,PQ4x4", metric="ip", warmup_steps=2, buffer_rows=100)
    for step in range(5):
        x = sample(40, seed=step).requires_grad_()
        out = index(x)
        # Two forwards of warm-up, then 40 + 40 + 40 rows are collected; the third fills the buffer.
        assert index.ready == (step >= 4)
        assert index.step == step + 1
        (out.embedding.sum() + out.distortion).backward()
        assert all(p.grad is not None for p in index.parameters())
        index.zero_grad()
        if not index.ready:
            assert torch.equal(out.embedding, x)
            assert (out.codes, out.lists, out.distortion.item()) == (None, None, 0)
    assert out.codes.shape == (40, 4)
    assert out.distortion > 0


def test_the_two_warm_starts_are_one():
    index = EmbeddingIndex(16, "OPQ4,PQ4x4", metric="ip", buffer_rows=100)
    at_once = copy.deepcopy(index)
    index(sample(150))
    at_once.warm_start(sample(150)[:100])
    assert all(np.array_equal(a, at_once.arrays()[name]) for name, a in index.arrays().items())


def test_before_the_warm_start_eval_is_the_identity_with_one_warning(tmp_path):
    index = EmbeddingIndex(16, "PQ4x4", metric="ip").eval()
    x = sample()
    with pytest.warns(UserWarning, match="has not been warm-started"):
        out = index(x)
    assert torch.equal(out.embedding, x)
    assert (out.codes, out.lists, out.distortion.item(), index.step) == (None, None, 0.0, 0)
    index(x)  # warnings are errors here: the second forward gives none
    with pytest.raises(RuntimeError, match=r"not ready.*call warm_start\(sample\)"):
        index.encode(x)
    with pytest.raises(RuntimeError, match="not ready"):
        index.bundle(range(len(x)), x, tmp_path / "bundle")

"""The additive quantizer, by itself and as the last stage of the index."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.additive import encode_additive
from poeem.layers.additive import AdditiveQuantizer
from poeem.layers.choices import BeamSearch
from poeem.layers.embedding_index import EmbeddingIndex

SPECS = ["RQ3x4", "IVF8,RQ3x4"]
METRICS = ["ip", "l2", "cosine"]


def sample(n=400, dim=16, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=g) @ torch.randn(dim, dim, generator=torch.Generator().manual_seed(1)) / 4


def ready(spec="IVF8,RQ3x4", metric="cosine", **options):
    index = EmbeddingIndex(16, spec, metric=metric, **options)
    index.warm_start(sample(1000, seed=7))
    return index


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("training", [True, False])
def test_computes_what_the_contract_says(spec, metric, training):
    """In numpy float64, all 16³ codes of every residual at once; a beam of 300 is the exact search."""
    index = ready(spec, metric, assignment=BeamSearch(300)).train(training)
    x = sample(100)
    out = index(x)
    arrays = {name: array.astype(np.float64) for name, array in index.arrays().items()}
    assert arrays["codebooks"].shape == (3, 16, 16)
    exact = x.numpy().astype(np.float64)
    if metric == "cosine":
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    centroid = np.zeros_like(exact)
    if "coarse" in arrays:
        lists = ((exact[:, None] - arrays["coarse"]) ** 2).sum(-1).argmin(1)
        assert (out.lists.numpy() == lists).all()
        centroid = arrays["coarse"][lists]
    else:
        assert out.lists is None
    books, codes = arrays["codebooks"], out.codes.numpy()
    x_hat = centroid + books[0][codes[:, 0]] + books[1][codes[:, 1]] + books[2][codes[:, 2]]
    np.testing.assert_allclose(out.embedding.detach().numpy(), x_hat, atol=2e-6)
    error = ((x_hat - exact) ** 2).sum(1)
    assert out.distortion.item() == pytest.approx(error.mean(), rel=1e-5)
    every = (books[0][:, None, None] + books[1][:, None] + books[2]).reshape(-1, 16)
    best = ((exact - centroid)[:, None] - every[None]) ** 2
    if training:
        assert error.mean() < 1.2 * best.sum(-1).min(1).mean()
    else:
        np.testing.assert_allclose(error, best.sum(-1).min(1), atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
def test_evaluation_encoding_and_decoding_agree(spec, metric):
    index = ready(spec, metric).eval()
    out = index(sample())
    codes, lists = index.encode(sample())
    assert torch.equal(codes, out.codes)
    assert lists is None if out.lists is None else torch.equal(lists, out.lists)
    torch.testing.assert_close(index.decode(codes, lists), out.embedding.detach(), atol=1e-6, rtol=0)


def test_encoding_in_training_mode_takes_the_wide_beam_too():
    index = ready()
    in_training, _ = index.train().encode(sample())
    assert torch.equal(in_training, index.eval().encode(sample())[0])


def test_loses_less_than_a_product_quantizer_of_the_same_bytes():
    x = sample(1000, seed=7)
    errors = []
    for spec in ("PQ4x4", "OPQ4,PQ4x4", "RQ4x4"):
        index = EmbeddingIndex(16, spec, metric="l2")
        index.warm_start(x)
        errors.append(index.eval()(x).distortion.item())
    assert errors[2] < 0.9 * min(errors[:2])


@pytest.mark.parametrize(("estimator", "learns_from_the_task"), [("ste", False), ("task", True)])
def test_what_each_gradient_reaches(estimator, learns_from_the_task):
    index = ready("IVF8,RQ3x4", "l2", estimator=estimator)
    x = sample(50).requires_grad_()
    weights = torch.randn(50, 16, generator=torch.Generator().manual_seed(2))
    (index(x).embedding * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)
    received = {p.grad is not None and bool(p.grad.abs().sum() > 0) for p in index.parameters()}
    assert received == {learns_from_the_task}
    index.zero_grad()
    index(x).distortion.backward()
    assert all(p.grad.abs().sum() > 0 for p in index.parameters())


def test_training_lowers_the_distortion():
    index = EmbeddingIndex(16, "IVF8,RQ4x4", metric="l2")
    index.warm_start(sample(200, seed=9))
    x = sample(1000)
    optimizer = torch.optim.Adam(index.parameters(), lr=3e-3)
    before = index.eval()(x).distortion.item()
    index.train()
    for _ in range(100):
        optimizer.zero_grad()
        index(x).distortion.backward()
        optimizer.step()
    assert index.eval()(x).distortion.item() < 0.9 * before


def test_a_new_codeword_in_the_place_of_the_used_one_leaves_no_error():
    quantizer = AdditiveQuantizer(3, 4, 5)
    g = torch.Generator().manual_seed(0)
    quantizer.set_(torch.randn(3, 4, 5, generator=g))
    with torch.no_grad():
        quantizer.codebooks[1, 2] = 1e3
    x = torch.randn(30, 5, generator=g)
    codes = quantizer.assign(x)
    dead = torch.zeros(3, 4, dtype=torch.bool)
    dead[1, 2] = True
    quantizer.reseed_(dead, x, codes, g)
    swapped = codes.clone()
    swapped[:, 1] = 2
    errors = (quantizer.decode(swapped) - x).square().sum(1)
    assert errors.min() < 1e-9
    kept = quantizer.codebooks.detach().clone()
    quantizer.reseed_(torch.zeros(3, 4, dtype=torch.bool), x, codes, g)
    assert torch.equal(quantizer.codebooks, kept)


def test_dead_codewords_and_lists_are_moved_to_vectors():
    index = ready("IVF8,RQ3x4", "l2", reseed_every=5)
    x = sample(300)
    with torch.no_grad():
        index.quantizer.codebooks[:, :8] = 1e4
    for _ in range(4):
        index(x)
    assert index.usage()["dead_share"] >= 0.5
    for _ in range(6):
        index(x)
    assert index.quantizer.codebooks.abs().max() < 100
    assert set(index.usage()) == {"perplexity", "dead_share", "list_imbalance"}


def test_a_batch_without_rows():
    index = ready()
    out = index(torch.empty(0, 16))
    assert (out.embedding.shape, out.codes.shape, out.lists.shape, out.distortion) == ((0, 16), (0, 3), (0,), 0)
    out.distortion.backward()


def test_a_search_in_training_is_as_wide_as_it_is_told():
    quantizer = AdditiveQuantizer(3, 16, 16, beam=8, training_beam=3)
    quantizer.set_(ready("RQ3x4").quantizer.codebooks)
    x, books = sample(), quantizer.codebooks.detach()
    assert torch.equal(quantizer.assign(x), encode_additive(x, books, 8))
    assert torch.equal(quantizer(x)[1], encode_additive(x, books, 3))
    assert torch.equal(quantizer.eval()(x)[1], encode_additive(x, books, 8))


def test_runs_on_every_device(device):
    index = ready().to(device)
    out = index(sample().to(device))
    (out.embedding.sum() + out.distortion).backward()
    assert (out.codes.cpu() == ready()(sample()).codes).float().mean() > 0.99
    assert out.embedding.device.type == device.type

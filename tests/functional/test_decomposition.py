from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

from poeem.functional.decomposition import balanced_axes, decompose
from poeem.functional.nearest import assign_nearest
from poeem.functional.pq import decode_codes, split


def correlated(n=3000, dim=16):
    """Vectors whose variance is uneven and lies across the slices."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((dim, dim)) * np.exp(-np.arange(dim)[:, None] / 4)
    centres = 2 * rng.standard_normal((20, dim))
    return torch.from_numpy((centres[rng.integers(0, 20, n)] + rng.standard_normal((n, dim))) @ mixing).float()


def reconstruction_error(x, found):
    """By definition, float64: mean ‖x - x_hat‖²."""
    y = x if found.rotation is None else x @ found.rotation
    centroid = 0
    if found.coarse is not None:
        centroid = found.coarse[torch.cdist(y.double(), found.coarse.double()).argmin(1)]
    codes = assign_nearest(split(y - centroid, len(found.codebooks)), found.codebooks)
    y_hat = centroid + decode_codes(codes, found.codebooks)
    x_hat = y_hat if found.rotation is None else y_hat @ found.rotation.T
    return (x.double() - x_hat.double()).square().sum(1).mean().item()


def fit(x, seed=0, **structure):
    return decompose(x, M=4, ksub=16, generator=torch.Generator().manual_seed(seed), **structure)


def test_the_rotation_is_orthogonal_and_pays():
    x = correlated()
    plain, rotated = fit(x), fit(x, rotated=True)
    eye = rotated.rotation.double().T @ rotated.rotation.double()
    assert (eye - torch.eye(16)).abs().max() < 1e-5
    assert reconstruction_error(x, rotated) < 0.8 * reconstruction_error(x, plain)


def test_is_as_good_as_faiss_of_the_same_structure():
    x = correlated(1500)
    for name, structure in (("PQ4x4np", {}), ("OPQ4,PQ4x4np", {"rotated": True})):
        stock = faiss.index_factory(16, name)
        stock.train(x.numpy())
        stock.add(x.numpy())
        error = ((x.numpy() - stock.reconstruct_n(0, len(x))) ** 2).sum(1).mean()
        assert reconstruction_error(x, fit(x, **structure)) < 1.05 * error


@pytest.mark.parametrize("equal_norm", [False, True])
def test_codewords_are_fitted_to_the_residuals(equal_norm):
    x = correlated()
    found = fit(x, nlist=20, rotated=True, equal_norm=equal_norm)
    assert reconstruction_error(x, found) < 0.9 * reconstruction_error(x, fit(x, rotated=True))
    norms = torch.linalg.vector_norm(found.coarse, dim=1)
    assert (float(norms.max() / norms.min()) < 1 + 1e-5) == equal_norm


def test_is_repeated_by_the_generator():
    x = correlated(500)
    one, two = fit(x, nlist=4, rotated=True), fit(x, nlist=4, rotated=True)
    assert all(torch.equal(a, b) for a, b in zip(one, two))


def test_balanced_axes_evens_out_the_slices():
    x = torch.randn(4000, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([8, 8, 4, 4, 2, 2, 1, 1.0])
    axes = balanced_axes(x, 4)
    assert (axes.double().T @ axes.double() - torch.eye(8)).abs().max() < 1e-6
    variance = split(x @ axes, 4).var(0).log().sum(1)
    plain = split(x, 4).var(0).log().sum(1)
    assert variance.max() - variance.min() < 0.2
    assert plain.max() - plain.min() > 6


def test_vectors_without_any_variance_are_no_obstacle():
    assert reconstruction_error(torch.ones(40, 16), fit(torch.ones(40, 16), rotated=True)) < 1e-8

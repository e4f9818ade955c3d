from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from poeem.functional.pq import assign_codes, decode_codes
from poeem.functional.score_aware import assign_score_aware


def case(n=50, M=3, ksub=4, dsub=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, M * dsub, generator=g), torch.randn(M, ksub, dsub, generator=g)


def loss(residuals, codes, books, vectors, eta):
    """By definition, float64: ‖e‖² + (η - 1) <u, e>²."""
    e = residuals.double().numpy() - decode_codes(codes, books.double()).numpy()
    u = vectors.double().numpy()
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    return (e**2).sum(1) + (eta - 1) * (u * e).sum(1) ** 2


@pytest.mark.parametrize("eta", [1.5, 4.0])
def test_no_change_of_one_codeword_is_better(eta):
    x, books = case()
    codes = assign_score_aware(x, books, eta=eta, sweeps=50)
    found = loss(x, codes, books, x, eta)
    for m, k in itertools.product(range(3), range(4)):
        other = codes.clone()
        other[:, m] = k
        assert (loss(x, other, books, x, eta) >= found - 1e-5).all()


def test_is_better_than_the_nearest_and_near_the_best_of_all():
    x, books = case(n=200)
    every = torch.tensor(list(itertools.product(range(4), repeat=3)))
    best = np.min([loss(x, code.expand(200, 3), books, x, 4.0) for code in every], axis=0)
    nearest = loss(x, assign_codes(x, books), books, x, 4.0)
    found = loss(x, assign_score_aware(x, books, eta=4.0), books, x, 4.0)
    assert (found <= nearest + 1e-5).all()
    assert found.mean() - best.mean() < 0.3 * (nearest.mean() - best.mean())


def test_every_sweep_lowers_the_loss():
    x, books = case(n=300, M=8, ksub=16, dsub=4)
    means = [loss(x, assign_score_aware(x, books, eta=4.0, sweeps=s), books, x, 4.0).mean() for s in range(4)]
    assert means[0] > means[1] > means[2] >= means[3]


def test_an_eta_of_one_is_the_nearest():
    x, books = case()
    assert torch.equal(assign_score_aware(x, books, eta=1.0), assign_codes(x, books))


def test_scores_of_queries_near_the_vectors_are_more_exact():
    x, books = case(n=500, M=4, ksub=16, dsub=4)
    x = torch.nn.functional.normalize(x)
    books = x[:16].view(16, 4, 4).transpose(0, 1).contiguous()
    errors = []
    for codes in (assign_codes(x, books), assign_score_aware(x, books, eta=4.0)):
        errors.append((x * (x - decode_codes(codes, books))).sum(1).square().mean().item())
    assert errors[1] < 0.7 * errors[0]


def test_with_lists_the_direction_is_that_of_the_vector():
    residuals, books = case()
    vectors, _ = case(seed=5)
    codes = assign_score_aware(residuals, books, vectors, eta=4.0, sweeps=20)
    assert (
        loss(residuals, codes, books, vectors, 4.0).sum()
        < loss(residuals, assign_score_aware(residuals, books, eta=4.0), books, vectors, 4.0).sum()
    )


def test_zero_vectors_blocks_and_no_rows(monkeypatch):
    x, books = case()
    x[3] = 0
    codes = assign_score_aware(x, books, eta=4.0)
    assert torch.equal(codes[3], assign_codes(x, books)[3])
    monkeypatch.setattr("poeem.functional.score_aware._BLOCK_SCORES", 100)
    assert torch.equal(assign_score_aware(x, books, eta=4.0), codes)
    assert assign_score_aware(torch.empty(0, 6), books).shape == (0, 3)


def test_refuses_bad_arguments():
    x, books = case()
    with pytest.raises(ValueError, match=r"eta \(=0\.5\) must be at least 1"):
        assign_score_aware(x, books, eta=0.5)
    with pytest.raises(ValueError, match=r"vectors \(shape \(3, 6\)\) must have the shape of residuals, \(50, 6\)"):
        assign_score_aware(x, books, x[:3])

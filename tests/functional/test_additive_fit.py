from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.additive_fit import cooccurrence, fit_additive, least_squares_codewords


def clustered(n=2000, dim=12, seed=0):
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(9).standard_normal((30, dim))
    return torch.from_numpy(
        centres[rng.integers(0, 30, n)] + rng.standard_normal((n, dim)) * np.linspace(1, 0.1, dim)
    ).float()


def error(x, books, beam=5):
    decoded = decode_additive(encode_additive(x, books, beam), books)
    return (x.double() - decoded.double()).square().sum(1).mean().item()


def fit(x, M=4, ksub=16, seed=0, **options):
    return fit_additive(x, M, ksub, generator=torch.Generator().manual_seed(seed), **options)


def one_hot(codes, ksub):
    return np.concatenate([np.eye(ksub)[codes[:, m].numpy()] for m in range(codes.shape[1])], axis=1)


def test_is_as_good_as_faiss_on_the_sample_and_beyond():
    x, other = clustered(), clustered(seed=1)
    stock = faiss.ResidualQuantizer(12, 4, 4)
    stock.train(x.numpy())
    theirs = torch.from_numpy(faiss.vector_to_array(stock.codebooks).reshape(4, 16, 12).copy())
    ours = fit(x)
    assert error(x, ours) < error(x, theirs)
    assert error(other, ours) < 1.01 * error(other, theirs)


def test_rounds_of_least_squares_pay_and_never_harm():
    x = clustered()
    errors = [error(x, fit(x, rounds=rounds)) for rounds in (0, 1, 4)]
    assert errors[2] <= errors[1] < 0.99 * errors[0]
    # So many codewords fit the sample at once that there is nothing left to gain.
    few = clustered(n=20)
    assert error(few, fit(few, ksub=16)) < 0.05 * few.square().sum(1).mean()


def test_a_codebook_alone_is_k_means():
    x = clustered(300)
    books = fit(x, M=1, iterations=100, rounds=0)
    nearest = torch.cdist(x, books[0]).argmin(1)
    for k in range(16):
        torch.testing.assert_close(books[0, k], x[nearest == k].mean(0), atol=1e-4, rtol=0)


def test_cooccurrence_is_the_product_of_one_hot_matrices():
    codes = torch.randint(0, 5, (70, 3), generator=torch.Generator().manual_seed(0))
    H = one_hot(codes, 5)
    assert (cooccurrence(codes, 5).numpy() == H.T @ H).all()


@pytest.mark.parametrize("damping", [1e-6, 0.5])
def test_least_squares_is_numpys(damping):
    g = torch.Generator().manual_seed(0)
    x, books = torch.randn(200, 7, generator=g), torch.randn(3, 8, 7, generator=g)
    codes = torch.randint(0, 8, (200, 3), generator=g)
    codes[:, 1].clamp_(max=5)  # codewords 6 and 7 are not used
    found = least_squares_codewords(x, codes, books, damping).double().numpy().reshape(24, 7)
    H, start = one_hot(codes, 8), books.double().numpy().reshape(24, 7)
    stacked = np.vstack([H, np.sqrt(damping) * np.eye(24)])
    expected = np.linalg.lstsq(stacked, np.vstack([x.double().numpy(), np.sqrt(damping) * start]), rcond=None)[0]
    np.testing.assert_allclose(H @ found, H @ expected, atol=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-2 if damping < 1e-3 else 1e-5)
    np.testing.assert_array_equal(found[14:16], start[14:16])


def test_more_codewords_than_are_solved_for_at_once(monkeypatch):
    monkeypatch.setattr("poeem.functional.additive_fit._MOST_CODEWORDS", 32)
    x = clustered()
    books = fit(x, rounds=0)
    codes = encode_additive(x, books, 5)
    before = (x - decode_additive(codes, books)).square().sum()
    after = (x - decode_additive(codes, least_squares_codewords(x, codes, books))).square().sum()
    assert after < 0.99 * before


def test_is_repeated_by_the_generator():
    x = clustered(300)
    assert torch.equal(fit(x, seed=3), fit(x, seed=3))
    assert not torch.equal(fit(x, seed=3), fit(x, seed=4))


def test_vectors_without_any_variance_are_no_obstacle():
    assert error(torch.ones(40, 6), fit(torch.ones(40, 6))) < 1e-8


def test_refuses_fewer_rows_than_codewords():
    with pytest.raises(ValueError, match=r"x \(=9 rows\) must have at least ksub \(=16\) rows"):
        fit(torch.zeros(9, 3))

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.pq import assign_codes, decode_codes
from poeem.functional.soft_assignment import soft_codewords


def case(n=20, M=3, ksub=5, dsub=2):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, M * dsub, generator=g, dtype=torch.float64)
    return x, torch.randn(M, ksub, dsub, generator=g, dtype=torch.float64)


def by_definition(x, books, temperature):
    x, books = x.numpy().reshape(len(x), len(books), 1, -1), books.numpy()
    distances = ((x - books) ** 2).sum(-1)
    scale = distances.min(-1).mean(0)
    weights = np.exp(-distances / (temperature * scale[:, None]))
    shares = weights / weights.sum(-1, keepdims=True)
    return np.einsum("nmk,mkd->nmd", shares, books).reshape(len(x), -1)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_is_the_weighted_sum(temperature):
    x, books = case()
    np.testing.assert_allclose(soft_codewords(x, books, temperature).numpy(), by_definition(x, books, temperature))


def test_the_gradient_is_that_of_finite_differences():
    x, books = case(n=4)
    with torch.no_grad():
        codes = assign_codes(x.float(), books.float())
        scale = (x - decode_codes(codes, books)).square().view(4, 3, 2).sum(-1).mean(0)

    def fixed(x, books):
        """With the scale held, as the gradient takes it."""
        distances = (x.view(4, 3, 1, 2) - books).square().sum(-1)
        return torch.einsum("nmk,mkd->nmd", (-distances / scale[:, None]).softmax(-1), books).flatten(1)

    x.requires_grad_(), books.requires_grad_()
    assert torch.autograd.gradcheck(fixed, (x, books))
    upstream = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(soft_codewords(x, books), (x, books), upstream)
    exact = torch.autograd.grad(fixed(x, books), (x, books), upstream)
    for a, b in zip(ours, exact):
        torch.testing.assert_close(a, b)


def test_cold_it_is_the_nearest_codeword():
    x, books = case()
    nearest = decode_codes(assign_codes(x.float(), books.float()), books)
    torch.testing.assert_close(soft_codewords(x, books, 1e-4), nearest, atol=1e-6, rtol=0)


def test_no_rows_and_vectors_on_their_codewords():
    _, books = case()
    assert soft_codewords(torch.empty(0, 6, dtype=torch.float64), books).shape == (0, 6)
    on_codewords = decode_codes(torch.zeros(4, 3, dtype=torch.int64), books)
    torch.testing.assert_close(soft_codewords(on_codewords, books), on_codewords)

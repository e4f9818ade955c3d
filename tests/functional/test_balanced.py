from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from poeem.functional.balanced import assign_balanced
from poeem.functional.pq import assign_codes
from poeem.functional.usage import count_codes


def case(n=64, M=2, ksub=8, dsub=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, M * dsub, generator=g), torch.randn(M, ksub, dsub, generator=g)


def test_strict_it_is_nearly_the_optimal_transport():
    """The exact one with n / ksub places per codeword: scipy's assignment of vectors to copies of codewords."""
    x, books = case()
    codes = assign_balanced(x, books, epsilon=0.1, iterations=2000)
    for m in range(2):
        cost = torch.cdist(x.view(64, 2, 2)[:, m].double(), books[m].double()).square().numpy()
        rows, places = linear_sum_assignment(np.repeat(cost, 8, axis=1))
        assert (codes[:, m].numpy() == places[np.argsort(rows)] // 8).mean() > 0.9


def test_uses_codewords_more_evenly_than_the_nearest():
    x, books = case(n=512, M=3, ksub=16)
    books[:, :4] += 5  # hardly anything is near these
    nearest, balanced = count_codes(assign_codes(x, books), 16), count_codes(assign_balanced(x, books), 16)
    assert (nearest[:, :4] <= 2).all()
    assert (balanced > 0).all()
    assert balanced.float().std() < 0.6 * nearest.float().std()


def test_soft_it_is_not_far_from_the_nearest():
    x, _ = case(n=512)
    # Codewords that share the vectors evenly already.
    books = x.view(512, 2, 2)[:8].transpose(0, 1).contiguous()
    assert (assign_balanced(x, books, epsilon=0.1, iterations=1) == assign_codes(x, books)).float().mean() > 0.5


def test_extreme_scales_equal_rows_and_no_rows():
    x, books = case()
    for scale in (1e-6, 1e6):
        torch.testing.assert_close(assign_balanced(x * scale, books * scale), assign_balanced(x, books))
    assert assign_balanced(torch.ones(5, 4), torch.ones(2, 3, 2)).shape == (5, 2)
    assert assign_balanced(torch.empty(0, 4), books).shape == (0, 2)
    assert assign_balanced(x[:1], books).shape == (1, 2)

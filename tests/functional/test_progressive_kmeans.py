from __future__ import annotations

import torch

from poeem.functional.kmeans import kmeans, lloyd
from poeem.functional.progressive_kmeans import progressive_kmeans


def noise(n=1000, dim=64, seed=0):
    """A few axes with structure, the rest noise that fades slowly."""
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=g) * torch.arange(1.0, dim + 1) ** -0.5


def error(x, codewords):
    return torch.cdist(x.double(), codewords.double()).min(1).values.square().mean().item()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_serves_vectors_that_it_has_not_seen_better_than_plain_k_means():
    x, other = noise(), noise(seed=1)
    ours, plain = progressive_kmeans(x, 64, generator=generator()), kmeans(x[:, None], 64, generator=generator())[0]
    assert error(other, ours) < 0.98 * error(other, plain)
    assert error(x, ours) < 1.02 * error(x, plain)


def test_ends_where_lloyd_on_all_axes_ends():
    x = noise(500, 8)
    codewords = progressive_kmeans(x, 10, iterations=200, generator=generator())
    torch.testing.assert_close(lloyd(x[:, None], codewords[None], iterations=1)[0], codewords, atol=1e-5, rtol=0)


def test_does_not_depend_on_the_axes():
    x = noise(500, 8)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=generator(3))).Q
    rotated = progressive_kmeans(x @ rotation, 10, iterations=50, generator=generator())
    torch.testing.assert_close(
        rotated @ rotation.T, progressive_kmeans(x, 10, iterations=50, generator=generator()), atol=1e-3, rtol=0
    )


def test_one_dimension_equal_rows_and_as_many_codewords_as_rows():
    assert progressive_kmeans(torch.arange(10.0)[:, None], 3, generator=generator()).shape == (3, 1)
    torch.testing.assert_close(progressive_kmeans(torch.ones(20, 6), 5, generator=generator()), torch.ones(5, 6))
    x = noise(6, 4)
    assert error(x, progressive_kmeans(x, 6, generator=generator())) < 1e-9

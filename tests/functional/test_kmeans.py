from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from poeem.functional.kmeans import kmeans, lloyd, seed_codewords, worst_rows


def error(x, codewords):
    """Mean squared error to the nearest codeword, float64, per slice."""
    x, codewords = x.double(), codewords.double()
    return torch.stack([torch.cdist(x[:, m], codewords[m]).min(1).values.square().mean() for m in range(x.shape[1])])


def blobs(generator, n=600, M=2, dsub=3, k=12):
    centres = 10 * torch.randn(k, M, dsub, generator=generator)
    return centres[torch.randint(0, k, (n,), generator=generator)] + torch.randn(n, M, dsub, generator=generator)


def test_lloyd_is_scipys_lloyd():
    g = torch.Generator().manual_seed(0)
    x = blobs(g, M=1)
    start = x[:12, 0]
    ours = lloyd(x, start[None], iterations=7)
    theirs, _ = kmeans2(x[:, 0].double().numpy(), start.double().numpy(), iter=7, minit="matrix", missing="raise")
    np.testing.assert_allclose(ours[0].numpy(), theirs, atol=1e-4)


def test_every_iteration_lowers_the_error():
    g = torch.Generator().manual_seed(1)
    x = torch.randn(500, 3, 4, generator=g)
    codewords = seed_codewords(x, 16, generator=g)
    errors = [error(x, codewords)]
    for _ in range(5):
        codewords = lloyd(x, codewords, iterations=1)
        errors.append(error(x, codewords))
    assert all(bool((after <= before + 1e-9).all()) for before, after in itertools.pairwise(errors))
    assert bool((errors[-1] < 0.9 * errors[0]).all())


def test_finds_separated_blobs():
    g = torch.Generator().manual_seed(2)
    x = blobs(g, n=2000, k=4)
    # Unit noise in three dimensions: the error of the true centres is 3.
    assert bool((error(x, kmeans(x, 8, generator=g)) < 3.2).all())


def test_seeds_are_rows_and_spread_out():
    g = torch.Generator().manual_seed(3)
    x = torch.cat([torch.zeros(500, 1, 1), torch.ones(3, 1, 1), 2 * torch.ones(2, 1, 1)])
    assert sorted(seed_codewords(x, 3, generator=g).flatten().tolist()) == [0.0, 1.0, 2.0]


def test_an_empty_cluster_moves_to_badly_served_rows():
    x = torch.tensor([0.0, 0.0, 0.0, 10.0, 11.0]).view(5, 1, 1)
    codewords = torch.tensor([[[0.0], [10.0], [500.0]]])
    found = lloyd(x, codewords, iterations=5, generator=torch.Generator().manual_seed(0))
    assert sorted(found.flatten().tolist()) == [0.0, 10.0, 11.0]


def test_equal_rows_do_no_harm():
    assert torch.equal(kmeans(torch.ones(20, 2, 3), 5), torch.ones(2, 5, 3))


def test_is_repeated_by_the_generator():
    x = torch.randn(300, 2, 2, generator=torch.Generator().manual_seed(0))
    one, two, other = (kmeans(x, 9, generator=torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_worst_rows_prefers_errors_and_never_repeats_while_it_can():
    x, x_hat = torch.arange(10.0).view(10, 1), torch.arange(10.0).view(10, 1)
    x_hat[[3, 7]] = 100
    g = torch.Generator().manual_seed(0)
    assert sorted(worst_rows(x, x_hat, 2, g).flatten().tolist()) == [3.0, 7.0]
    assert len(worst_rows(x, x_hat, 10, g).unique()) == 10
    assert worst_rows(x, x_hat, 25, g).shape == (25, 1)


def test_refuses_fewer_rows_than_centroids():
    with pytest.raises(ValueError, match=r"x \(=3 rows\) must have at least k \(=4\) rows"):
        kmeans(torch.zeros(3, 1, 2), 4)

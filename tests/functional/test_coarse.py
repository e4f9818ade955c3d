from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.coarse import assign_lists, equal_norms


def test_assigns_to_the_nearest_centroid():
    g = torch.Generator().manual_seed(0)
    x, centroids = torch.randn(300, 6, generator=g), torch.randn(20, 6, generator=g)
    exact = ((x.double()[:, None] - centroids.double()) ** 2).sum(-1).argmin(1)
    assert torch.equal(assign_lists(x, centroids), exact)


def test_equal_norms_make_l2_and_inner_product_agree():
    g = torch.Generator().manual_seed(0)
    x, free = torch.randn(2000, 8, generator=g), torch.randn(50, 8, generator=g)
    equal = equal_norms(free)
    norms = np.linalg.norm(equal.numpy().astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(free.numpy(), axis=1).mean(), rtol=1e-6)
    assert (assign_lists(x, equal) == (x @ equal.T).argmax(1)).float().mean() > 0.999
    assert (assign_lists(x, free) == (x @ free.T).argmax(1)).float().mean() < 0.9


def test_a_centroid_at_the_origin_stays_finite():
    assert torch.equal(equal_norms(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))[0], torch.zeros(2))


def test_refuses_another_width():
    with pytest.raises(ValueError, match="as wide as the centroids"):
        assign_lists(torch.zeros(3, 4), torch.zeros(2, 5))

"""PolarRotation: the polar factor near and far from the group, and the tangent gradient."""

from __future__ import annotations

import numpy as np
import torch

from poeem.layers.rotation import PolarRotation
from poeem.layers.rotation.rotation import polar_factor


def test_polar_factor_near_and_far():
    for scale in (0.01, 10.0):  # Newton-Schulz, then the SVD
        matrix = np.eye(6) + scale * np.random.default_rng(0).normal(size=(6, 6))
        left, _, right = np.linalg.svd(matrix)
        np.testing.assert_allclose(polar_factor(torch.from_numpy(matrix)), left @ right, atol=1e-11)


def test_the_gradient_is_tangent_and_the_step_is_taken_up():
    rotation, G = PolarRotation(5), torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    rotation.matrix().backward(G)
    assert rotation.weight.grad is not None
    np.testing.assert_allclose(rotation.weight.grad.numpy(), (G - G.T) / 2, atol=1e-6)
    torch.optim.SGD(rotation.parameters(), lr=0.1).step()
    left, _, right = np.linalg.svd(np.eye(5) - 0.1 * (G - G.T).numpy() / 2)
    np.testing.assert_allclose(rotation.matrix().detach(), left @ right, atol=1e-6)
    np.testing.assert_allclose(rotation.weight.detach(), left @ right, atol=1e-6)

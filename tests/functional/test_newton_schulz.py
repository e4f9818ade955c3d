"""Newton-Schulz against the polar factor from numpy's SVD."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.newton_schulz import newton_schulz


def test_converges_to_the_polar_factor():
    rng = np.random.default_rng(0)
    near = np.linalg.qr(rng.normal(size=(7, 7)))[0] + 0.05 * rng.normal(size=(7, 7))
    left, _, right = np.linalg.svd(near)
    result = newton_schulz(torch.from_numpy(near), steps=6)
    np.testing.assert_allclose(result.numpy(), left @ right, atol=1e-12)


def test_one_step_squares_the_error():
    R = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0] * (1 + 1e-4)
    result = newton_schulz(torch.from_numpy(R)).numpy()
    assert np.abs(result.T @ result - np.eye(6)).max() < 1e-7


def test_gradient_at_an_orthogonal_matrix_is_tangent():
    R = torch.from_numpy(np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]).requires_grad_()
    G = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 5)))
    (newton_schulz(R) * G).sum().backward()
    assert R.grad is not None
    tangent = (R.detach().T @ R.grad).numpy()
    np.testing.assert_allclose(tangent, -tangent.T, atol=1e-12)


def test_zero_steps_change_nothing():
    assert torch.equal(newton_schulz(torch.ones(2, 2), steps=0), torch.ones(2, 2))


def test_refuses():
    with pytest.raises(ValueError, match=r"matrix \(of shape \(2, 3\)\) must be square"):
        newton_schulz(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"steps \(=-1\) must be 0 or more"):
        newton_schulz(torch.eye(2), steps=-1)

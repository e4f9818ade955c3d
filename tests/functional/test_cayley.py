"""The Cayley map against its definition in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.cayley import cayley


def random_skew(dim: int, scale: float = 1.0) -> np.ndarray:
    full = np.random.default_rng(dim).normal(size=(dim, dim)) * scale
    return full - full.T


@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_definition(dim):
    A = random_skew(dim)
    R = cayley(torch.from_numpy(A))
    np.testing.assert_allclose(R, np.linalg.inv(np.eye(dim) + A) @ (np.eye(dim) - A), atol=1e-12)
    assert np.linalg.det(R.numpy()) == pytest.approx(1)


def test_a_plane_turns_by_twice_the_arc_tangent():
    A = torch.zeros(3, 3, dtype=torch.float64)
    A[0, 2], A[2, 0] = np.tan(0.7 / 2), -np.tan(0.7 / 2)
    expected = [[np.cos(0.7), 0, -np.sin(0.7)], [0, 1, 0], [np.sin(0.7), 0, np.cos(0.7)]]
    np.testing.assert_allclose(cayley(A), expected, atol=1e-12)


def test_orthogonal_for_large_entries():
    R = cayley(torch.from_numpy(random_skew(32, 1e5))).numpy()
    assert np.abs(R.T @ R - np.eye(32)).max() < 1e-7


def test_gradient():
    A = torch.from_numpy(random_skew(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: cayley(a - a.T), (A,))


def test_refuses():
    with pytest.raises(ValueError, match=r"skew \(of shape \(2, 3\)\) must be square"):
        cayley(torch.zeros(2, 3))

"""Givens rotations against explicit matrices, finite differences and a grid of angles, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.functional.givens import best_angles, rotate_pairs, skew_gradient
from poeem.functional.matching import random_pairs

rng = np.random.default_rng(0)


def orthogonal(dim: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(dim, dim)))[0]


def plane(dim: int, i: int, j: int, angle: float) -> np.ndarray:
    matrix = np.eye(dim)
    matrix[np.ix_([i, j], [i, j])] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def test_skew_gradient_against_finite_differences():
    R, target = orthogonal(6), rng.normal(size=(6, 6))

    def loss(R: np.ndarray) -> float:
        return float(np.sum(np.sin(R * target)))

    A = skew_gradient(torch.from_numpy(R), torch.from_numpy(np.cos(R * target) * target)).numpy()
    for i in range(6):
        for j in range(i + 1, 6):
            ahead, behind = (loss(R @ plane(6, i, j, h)) for h in (1e-5, -1e-5))
            assert A[i, j] == pytest.approx((ahead - behind) / 2e-5, abs=1e-8)
    np.testing.assert_array_equal(A, -A.T)


@pytest.mark.parametrize("dim", [2, 7, 12])
def test_rotate_pairs_is_the_product_of_the_planes(dim):
    R, pairs = orthogonal(dim), random_pairs(dim, seed=0, step=dim)
    angles = rng.uniform(-3, 3, size=len(pairs))
    expected = R
    for (i, j), angle in zip(pairs.tolist(), angles):
        expected = expected @ plane(dim, i, j, angle)
    rotated = rotate_pairs(torch.from_numpy(R), pairs, torch.from_numpy(angles))
    np.testing.assert_allclose(rotated, expected, atol=1e-14)


def test_rotate_pairs_takes_a_pair_either_way_round():
    rotated = rotate_pairs(torch.eye(3, dtype=torch.float64), torch.tensor([[2, 0]]), torch.tensor([0.3]).double())
    np.testing.assert_allclose(rotated, plane(3, 2, 0, torch.tensor(0.3).double().item()), atol=1e-15)


def test_rotate_pairs_is_differentiable():
    R = torch.from_numpy(orthogonal(5)).requires_grad_()
    angles = torch.tensor([0.1, -0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda R, a: rotate_pairs(R, torch.tensor([[0, 3], [1, 2]]), a), (R, angles))


def test_no_pairs_change_nothing():
    R = torch.eye(3)
    assert torch.equal(rotate_pairs(R, torch.empty(0, 2, dtype=torch.int64), torch.empty(0)), R)


def test_best_angles_against_a_grid():
    x, y, R = rng.normal(size=(30, 6)), rng.normal(size=(30, 6)), orthogonal(6)
    pairs = torch.tensor([[0, 5], [1, 3], [2, 4]])
    found = best_angles(torch.from_numpy(R.T @ x.T @ y), pairs)
    grid = np.linspace(-np.pi, np.pi, 20001)
    for (i, j), angle in zip(pairs.tolist(), found.tolist()):
        z = x @ R
        c, s = np.cos(grid)[:, None], np.sin(grid)[:, None]
        rotated_i, rotated_j = c * z[:, i] + s * z[:, j], c * z[:, j] - s * z[:, i]
        errors = ((rotated_i - y[:, i]) ** 2 + (rotated_j - y[:, j]) ** 2).sum(1)
        assert abs(np.angle(np.exp(1j * (angle - grid[errors.argmin()])))) < 1e-3
        explicit = np.sum((x @ R @ plane(6, i, j, angle) - y) ** 2)
        assert explicit <= errors.min() + np.sum(np.delete(z - y, [i, j], axis=1) ** 2) + 1e-9


def test_the_products_skew_part_is_the_gradient():
    x, y, R = (torch.from_numpy(a) for a in (rng.normal(size=(30, 6)), rng.normal(size=(30, 6)), orthogonal(6)))
    G = 2 * x.T @ (x @ R - y)
    product = R.T @ x.T @ y
    np.testing.assert_allclose(skew_gradient(R, G), 2 * (product - product.T), atol=1e-10)


def test_best_angles_recover_a_block_of_turns():
    x, R, pairs = rng.normal(size=(20, 6)), torch.from_numpy(orthogonal(6)), random_pairs(6, seed=1, step=0)
    angles = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
    y = torch.from_numpy(x) @ rotate_pairs(R, pairs, angles)
    np.testing.assert_allclose(best_angles(R.T @ torch.from_numpy(x).T @ y, pairs), angles, atol=1e-12)


def test_refuses():
    with pytest.raises(ValueError, match=r"R \(of shape \(2, 2\)\) and G \(of shape \(3, 3\)\) must both be"):
        skew_gradient(torch.eye(2), torch.eye(3))
    with pytest.raises(ValueError, match=r"angles \(of shape \(2,\)\) must be"):
        rotate_pairs(torch.eye(2), torch.tensor([[0, 1]]), torch.zeros(2))
    with pytest.raises(ValueError, match=r"product \(of shape \(4, 2\)\) must be"):
        best_angles(torch.zeros(4, 2), torch.tensor([[0, 1]]))

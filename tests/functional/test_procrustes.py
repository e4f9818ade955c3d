"""Procrustes: it finds the rotation that made the data, and nothing orthogonal does better."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from poeem.functional.procrustes import procrustes


@pytest.mark.parametrize("sign", [1, -1])
def test_finds_the_orthogonal_matrix_of_either_sign(sign):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    Q[:, 0] *= sign * np.sign(np.linalg.det(Q))
    x = rng.normal(size=(50, 6))
    np.testing.assert_allclose(procrustes(torch.from_numpy(x), torch.from_numpy(x @ Q)).numpy(), Q, atol=1e-12)


def test_agrees_with_scipy_on_noise():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 40, 5))
    R = procrustes(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(R, orthogonal_procrustes(x, y)[0], atol=1e-12)


def test_float32_is_orthogonal_to_rounding():
    x, y = torch.randn(2, 100, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        R = procrustes(x, y)
    assert R.dtype == torch.float32
    assert (R.double().T @ R.double() - torch.eye(64)).abs().max() < 1e-6


def test_refuses():
    with pytest.raises(ValueError, match=r"x \(of shape \(3, 2\)\) and target \(of shape \(2, 2\)\) must both be"):
        procrustes(torch.zeros(3, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="n >= 1"):
        procrustes(torch.zeros(0, 2), torch.zeros(0, 2))
    with pytest.raises(ValueError, match="must be finite; drop the rows"):
        procrustes(torch.full((3, 2), float("nan")), torch.zeros(3, 2))

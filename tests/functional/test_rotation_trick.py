from __future__ import annotations

import numpy as np
import torch

from poeem.functional.rotation_trick import rotation_trick


def pairs(n=6, dim=5):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, dim, generator=g, dtype=torch.float64, requires_grad=True)
    return (
        x,
        torch.randn(n, dim, generator=g, dtype=torch.float64),
        torch.randn(n, dim, generator=g, dtype=torch.float64),
    )


def turn(x, x_hat):
    """λ R of one pair in numpy: the rotation in the plane of the two, by their angle."""
    u, v = x / np.linalg.norm(x), x_hat / np.linalg.norm(x_hat)
    w = v - (u @ v) * u
    w = w / np.linalg.norm(w)
    angle = np.arccos(np.clip(u @ v, -1, 1))
    plane = np.stack([u, w], 1)
    small = np.array([[np.cos(angle) - 1, -np.sin(angle)], [np.sin(angle), np.cos(angle) - 1]])
    return np.linalg.norm(x_hat) / np.linalg.norm(x) * (np.eye(len(u)) + plane @ small @ plane.T)


def test_the_value_is_x_hat_and_the_gradient_is_turned_back():
    x, x_hat, upstream = pairs()
    x_hat.requires_grad_()
    value = rotation_trick(x, x_hat)
    torch.testing.assert_close(value, x_hat)
    value.backward(upstream)
    assert x_hat.grad is None
    for i in range(len(x)):
        expected = turn(x[i].detach().numpy(), x_hat[i].detach().numpy()).T @ upstream[i].numpy()
        np.testing.assert_allclose(x.grad[i].numpy(), expected, atol=1e-12)


def test_the_gradient_keeps_its_angle_to_the_vector():
    x, x_hat, upstream = pairs()
    rotation_trick(x, x_hat).backward(upstream)
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(x.grad, x.detach()), cosine(upstream, x_hat))


def test_equal_opposite_and_zero_vectors():
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1.0, 2.0]], requires_grad=True)
    x_hat = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [1.0, 0.0], [0.0, 0.0]])
    upstream = torch.tensor([[0.3, -0.7]]).repeat(4, 1)
    value = rotation_trick(x, x_hat)
    torch.testing.assert_close(value, x_hat)
    value.backward(upstream)
    for row in (0, 2, 3):
        torch.testing.assert_close(x.grad[row], upstream[row])
    torch.testing.assert_close(x.grad[1].norm(), upstream[1].norm())


def test_no_rows():
    assert rotation_trick(torch.empty(0, 3), torch.empty(0, 3)).shape == (0, 3)

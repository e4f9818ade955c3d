from __future__ import annotations

import pytest
import torch

from poeem.functional.distortion import distortion
from poeem.functional.straight_through import straight_through, task_gradient


@pytest.mark.parametrize(("estimate", "reaches_the_index"), [(straight_through, False), (task_gradient, True)])
def test_value_of_x_hat_and_the_gradient_of_each(estimate, reaches_the_index):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=g, dtype=torch.float64, requires_grad=True)
    x_hat = torch.randn(4, 3, generator=g, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, 3, generator=g, dtype=torch.float64)
    value = estimate(x, x_hat)
    torch.testing.assert_close(value, x_hat)
    value.backward(upstream)
    torch.testing.assert_close(x.grad, upstream)
    if reaches_the_index:
        torch.testing.assert_close(x_hat.grad, upstream)
    else:
        assert x_hat.grad is None


def test_distortion_moves_the_reconstruction_only():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, generator=g, dtype=torch.float64, requires_grad=True)
    x_hat = torch.randn(5, 3, generator=g, dtype=torch.float64, requires_grad=True)
    value = distortion(x, x_hat)
    assert value.item() == pytest.approx(((x_hat - x).detach().numpy() ** 2).sum(1).mean())
    value.backward()
    assert x.grad is None
    torch.testing.assert_close(x_hat.grad, (2 * (x_hat - x) / 5).detach())


def test_distortion_of_nothing_is_zero():
    assert distortion(torch.empty(0, 3), torch.empty(0, 3)) == 0

import numpy as np
import pytest
import torch
from torch import nn

from poeem.towers.skip_mlp import SkipMLP


@pytest.mark.parametrize("width", [4, 8, 5])
def test_equals_the_formula(width):
    torch.manual_seed(0)
    mlp = SkipMLP(width, 4, hidden=6).double()
    nn.init.normal_(mlp.narrow.weight)
    x = torch.randn(3, width, dtype=torch.float64)
    w1, b1, w2, b2 = (p.detach().numpy() for p in (*mlp.widen.parameters(), *mlp.narrow.parameters()))
    hidden = x.numpy() @ w1.T + b1
    silu = torch.nn.functional.silu(torch.from_numpy(hidden)).numpy()
    straight = x.numpy() if mlp.skip is None else x.numpy() @ mlp.skip.weight.detach().numpy().T
    np.testing.assert_allclose(mlp(x).detach().numpy(), straight + silu @ w2.T + b2, rtol=1e-12)


def test_starts_as_the_sum_of_its_blocks():
    a, b = torch.randn(3, 4), torch.randn(3, 4)
    torch.testing.assert_close(SkipMLP(8, 4, hidden=6)(torch.cat([a, b], 1)), a + b)


def test_drops_in_training_only():
    mlp = SkipMLP(4, 4, hidden=64, dropout=0.5)
    nn.init.normal_(mlp.narrow.weight)
    x = torch.randn(3, 4)
    assert (mlp(x) != mlp(x)).any()
    mlp.eval()
    assert (mlp(x) == mlp(x)).all()

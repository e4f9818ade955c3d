"""Query attention and self-attention against numpy."""

import numpy as np
import pytest
import torch

from poeem.towers.product.query_attention import QueryAttention
from poeem.towers.product.self_attention import SelfAttention

from . import oracles


def test_query_attention_is_the_oracles_and_ignores_empty_places():
    torch.manual_seed(0)
    attention, query, behaviours = QueryAttention(scale=2.5), torch.randn(3, 2, 4), torch.randn(3, 5, 4)
    filled = torch.tensor([[True] * 5, [False, True, False, True, True], [False] * 5])
    behaviours[1, 0] = torch.nan  # an empty place may hold anything
    found = attention(query, behaviours.nan_to_num(1e6), filled).detach().numpy()
    for i in range(3):
        expected = oracles.query_attention(2.5, query[i].double().numpy(), behaviours[i][filled[i]].double().numpy())
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
    assert (found[2] == 0).all()
    values = torch.randn(3, 5, 4)
    found = attention(query, behaviours.nan_to_num(1e6), filled, values).detach().numpy()
    for i in range(3):
        rows, summed = (x[i][filled[i]].double().numpy() for x in (behaviours, values))
        expected = oracles.query_attention(2.5, query[i].double().numpy(), rows, summed)
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_a_query_that_no_behaviour_fits_attends_to_nothing():
    query, behaviour = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[-3.0, 1.0]]])
    assert QueryAttention()(query, behaviour, torch.tensor([[True]])).abs().max() < 1e-6


@pytest.mark.parametrize("heads", [1, 4])
def test_self_attention_is_the_oracles(heads):
    attention, x = SelfAttention(8, heads=heads), torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
    oracles.randomise(attention)
    filled = torch.tensor([[True] * 5, [False, True, True, False, True]])
    found = attention(x, filled).detach()
    for i in range(2):
        expected = oracles.self_attention(oracles.numbers(attention), x[i][filled[i]].double().numpy(), heads)
        np.testing.assert_allclose(found[i][filled[i]].numpy(), expected, atol=1e-4)
    torch.testing.assert_close(attention.first(x, filled), found[:, 0])


def test_a_row_without_filled_places_has_a_finite_gradient():
    attention, x = SelfAttention(8, heads=2), torch.randn(1, 3, 8, requires_grad=True)
    oracles.randomise(attention)
    attention(x, torch.zeros(1, 3, dtype=torch.bool)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert attention.first(x, torch.zeros(1, 3, dtype=torch.bool)).isfinite().all()


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match=r"heads \(=3\) must divide the width \(=8\); choose one of 1, 2, 4, 8"):
        SelfAttention(8, heads=3)

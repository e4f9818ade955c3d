"""The three spans of behaviour against numpy."""

import numpy as np
import pytest
import torch

from poeem.towers.item_table import ItemTable
from poeem.towers.product.behaviour import LongTermBehaviour, RealTimeBehaviour, ShortTermBehaviour

from . import oracles

ROWS = torch.randn(3, 2, 8, generator=torch.Generator().manual_seed(0))
VECTORS = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(1))
FILLED = torch.tensor([[True] * 4, [False, False, True, True], [False] * 4])


@pytest.mark.parametrize("kind", [RealTimeBehaviour, ShortTermBehaviour])
def test_real_time_and_short_term_are_the_oracles(kind):
    span = kind(8, heads=2)
    oracles.randomise(span)
    weights, found = oracles.numbers(span), span(ROWS, VECTORS, FILLED).detach().numpy()
    scale = np.exp(weights["by_query.log_scale"])
    for i in range(3):
        x = VECTORS[i][FILLED[i]].double().numpy()
        if len(x) and kind is RealTimeBehaviour:
            x = x + oracles.lstm(oracles.below(weights, "lstm"), x, layers=2)
        if len(x):
            x = oracles.self_attention(oracles.below(weights, "attention"), x, heads=2)
        np.testing.assert_allclose(found[i], oracles.query_attention(scale, ROWS[i].double().numpy(), x), atol=1e-4)


def test_real_time_reads_the_order_and_short_term_does_not():
    everything = torch.ones(3, 4, dtype=torch.bool)
    for kind, reads_order in ((RealTimeBehaviour, True), (ShortTermBehaviour, False)):
        span = kind(8, heads=2)
        oracles.randomise(span)
        forwards, backwards = span(ROWS, VECTORS, everything), span(ROWS, VECTORS.flip(1), everything)
        assert torch.allclose(forwards, backwards, atol=1e-5) != reads_order


def test_long_term_has_a_list_of_items_and_one_of_each_attribute():
    table = ItemTable(5, 8, side={"brand": torch.tensor([0, 1, 1, 0, -1])})
    span = LongTermBehaviour(table, n_kinds=2)
    oracles.randomise(span)
    items = torch.tensor([[0, 2, 4, 1], [-1, -1, 3, 4], [-1, -1, -1, -1]])
    kinds = torch.tensor([[0, 1, 1, 0], [-1, -1, 1, 1], [-1, -1, -1, -1]])
    found, weights = span(ROWS, items, kinds).detach().numpy(), oracles.numbers(span)
    brands = np.array([0, 1, 1, 0, -1])
    for i in range(3):
        expected = 0
        for number, vectors in enumerate(
            [weights["table.ids.weight"], weights["table.features.brand.vectors.weight"][brands + 1]]
        ):
            of_kind = [items[i].numpy()[(kinds[i].numpy() == kind) & (items[i].numpy() >= 0)] for kind in (0, 1)]
            means = [vectors[numbers].mean(0) for numbers in of_kind if len(numbers)]
            scale = np.exp(weights["log_scale"][number])
            rows = np.stack(means) if means else np.empty((0, 8))
            expected = expected + oracles.query_attention(scale, ROWS[i].double().numpy(), rows)
        np.testing.assert_allclose(found[i], expected, atol=1e-4)


def test_at_least_one_kind_of_event():
    with pytest.raises(ValueError, match=r"n_kinds \(=0\) must be at least 1"):
        LongTermBehaviour(ItemTable(2, 4), 0)

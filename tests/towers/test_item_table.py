import numpy as np
import pytest
import torch
from torch import nn

from poeem.towers.item_table import ItemTable, pool

GENRES = torch.tensor([[0, 2], [1, -1], [-1, -1], [2, 0]])
YEARS = torch.tensor([0, 1, 1, -1])


@pytest.fixture
def table():
    torch.manual_seed(0)
    return ItemTable(4, 3, side={"genre": GENRES, "year": YEARS}).double()


def oracle(table, number):
    vector = table.ids.weight[number].detach().numpy().copy()
    for name, words in (("genre", GENRES[number].tolist()), ("year", [YEARS[number].item()])):
        known = [table.features[name].vectors.weight[w + 1].detach().numpy() for w in words if w >= 0]
        vector += np.mean(known, axis=0) if known else 0
    return vector


def test_equals_the_oracle(table):
    numbers = torch.tensor([[0, 1], [2, 3]])
    expected = np.array([[oracle(table, n) for n in row] for row in numbers.tolist()])
    np.testing.assert_allclose(table(numbers).detach().numpy(), expected, rtol=1e-12)


def test_pool_is_the_weighted_sum(table):
    numbers, weights = torch.tensor([[0, 1, 3], [2, 2, 0]]), torch.rand(2, 3, dtype=torch.float64)
    torch.testing.assert_close(table.pool(numbers, weights), (weights[..., None] * table(numbers)).sum(1))
    embedding = nn.Embedding(4, 3).double()
    torch.testing.assert_close(pool(embedding, numbers, weights), (weights[..., None] * embedding(numbers)).sum(1))


def test_pool_has_the_gradient_of_the_weighted_sum(table):
    numbers, gradients = torch.tensor([[0, 1, 3], [2, 2, 0]]), []
    for pooled in (True, False):
        table.zero_grad()
        weights = torch.full((2, 3), 0.3, dtype=torch.float64, requires_grad=True)
        vectors = table.pool(numbers, weights) if pooled else (weights[..., None] * table(numbers)).sum(1)
        vectors.square().sum().backward()
        gradients.append([weights.grad, *(p.grad.clone() for p in table.parameters())])
    for found, expected in zip(*gradients):
        torch.testing.assert_close(found, expected)


def test_a_missing_word_stays_zero_in_training(table):
    optimizer = torch.optim.AdamW(table.parameters(), lr=0.1, weight_decay=0.1)
    table(torch.arange(4)).sum().backward()
    optimizer.step()
    assert (table.features["genre"].vectors.weight[0] == 0).all()


def test_an_item_without_a_row_of_its_own_is_placed_by_its_features(table):
    with torch.no_grad():
        table.ids.weight.zero_()
    same = table(torch.tensor([0, 3]))  # the same genres in another order, but only one year is known
    torch.testing.assert_close(same[0] - same[1], table.features["year"].vectors.weight[1])


def test_words_are_saved_with_the_model(table):
    assert "features.genre.words" in table.state_dict()


def test_starts_short():
    torch.manual_seed(0)
    assert ItemTable(1000, 64)(torch.arange(1000)).norm(dim=1).mean().item() == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_items": 0}, r"n_items \(=0\) must be at least 1"),
        ({"width": 0}, r"width \(=0\) must be at least 1"),
        (
            {"side": {"year": torch.zeros(3).long()}},
            r"side\['year'\] must be int64, \(n_items=4,\) or \(n_items, columns\), not torch.int64, \(3,\)",
        ),
        ({"side": {"year": torch.zeros(4)}}, r"side\['year'\] must be int64.*not torch.float32"),
        ({"side": {"year": torch.full((4,), -2)}}, r"side\['year'\] must hold numbers from 0, or -1"),
        ({"side": {"year": torch.zeros(4, 0).long()}}, r"side\['year'\] must hold numbers from 0"),
    ],
)
def test_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ItemTable(**{"n_items": 4, "width": 2} | arguments)

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.data.split import Sequences
from poeem.towers.compressed_table import CompressedTable, svd_codes
from poeem.towers.item_table import pool
from poeem.towers.two_tower import interaction_towers


@pytest.fixture
def table() -> CompressedTable:
    codes = torch.tensor([[0, 255, 3], [0, 7, 3], [9, 7, 0], [1, 1, 1]])
    return CompressedTable(codes, 6).double()


def test_a_vector_is_its_words_side_by_side(table):
    words = table.words.weight.detach().numpy().reshape(3, 256, 2)
    expected = [np.concatenate([words[m, c] for m, c in enumerate(code)]) for code in table.codes.tolist()]
    np.testing.assert_array_equal(table(torch.arange(4)).detach().numpy(), expected)


def test_pool_and_its_gradient_are_those_of_the_weighted_sum(table):
    numbers, gradients, values = torch.tensor([[0, 1, 3], [2, 2, 0]]), [], []
    for pooled in (True, False):
        table.zero_grad()
        weights = torch.linspace(0, 1, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
        vectors = pool(table, numbers, weights) if pooled else (weights[..., None] * table(numbers)).sum(1)
        vectors.square().sum().backward()
        values.append(vectors.detach())
        gradients.append([weights.grad, table.words.weight.grad.clone()])
    torch.testing.assert_close(*values)
    for found, expected in zip(*gradients):
        torch.testing.assert_close(found, expected)


def tastes(n_users: int = 400, n_items: int = 512) -> tuple[Sequences, np.ndarray]:
    """Events by four tastes, each half as strong as the one before, and who has taken what."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n_users, 4)) * (8, 4, 2, 1) @ rng.normal(size=(4, n_items)) / 2 - 2
    taken = rng.random((n_users, n_items)) < 1 / (1 + np.exp(-logits))
    return Sequences(np.concatenate([[0], np.cumsum(taken.sum(1))]), np.nonzero(taken)[1]), taken


def test_codes_use_words_equally_and_follow_the_svd():
    train, taken = tastes()
    codes = svd_codes(train, 512, 4)
    assert codes.dtype == np.uint8
    for m in range(4):
        assert (np.bincount(codes[:, m], minlength=256) == 2).all()
    exact = np.linalg.svd(taken.astype(float))[2][:4]
    # The order of a dimension is that of the exact singular vector, up to its sign.
    for m in range(4):
        ranks = np.argsort(np.argsort(exact[m]))
        assert abs(np.corrcoef(ranks, codes[:, m])[0, 1]) > 0.99, m


def test_codes_are_of_the_seed():
    train, _ = tastes()
    assert (svd_codes(train, 512, 4) == svd_codes(train, 512, 4)).all()
    # Items that nobody has taken all lie at zero: the order of such ties is drawn.
    assert (svd_codes(train, 600, 4, seed=1) != svd_codes(train, 600, 4, seed=2)).any()


def test_towers_share_it_and_its_start_is_of_the_seed():
    table = CompressedTable(torch.zeros(10, 2, dtype=torch.int64), 8, seed=3)
    assert torch.equal(
        table.words.weight, CompressedTable(torch.zeros(10, 2, dtype=torch.int64), 8, seed=3).words.weight
    )
    for kind in ("history", "sequence"):
        towers = interaction_towers(kind, 10, 8, table=table)
        assert towers.query.item_table is towers.item.table is table
        assert towers.query(torch.tensor([[1, 2]])).shape == (1, 8)


@pytest.mark.parametrize(
    ("codes", "width", "said"),
    [
        (torch.zeros(3, 2), 4, "codes must be integers"),
        (torch.tensor([[0, 256]]), 4, "codes must be 0 to 255, not 0 to 256"),
        (torch.zeros(3, 3, dtype=torch.int64), 4, r"table_bytes \(=3\) must divide .* one of 1, 2, 4"),
    ],
)
def test_mistakes_are_refused(codes, width, said):
    with pytest.raises(ValueError, match=said):
        CompressedTable(codes, width)


def test_more_bytes_than_users_or_items_are_refused():
    with pytest.raises(ValueError, match=r"table_bytes \(=8\) must be 1 to 2"):
        svd_codes(Sequences(np.array([0, 1, 2]), np.array([0, 1])), 40, 8)

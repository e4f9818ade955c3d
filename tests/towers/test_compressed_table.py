from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.towers.compressed_table import CompressedTable
from poeem.towers.item_table import pool
from poeem.towers.two_tower import interaction_towers

CODES = torch.tensor([[0, 255, 3], [0, 7, 3], [9, 7, 0], [1, 1, 1]])


@pytest.fixture
def table() -> CompressedTable:
    return CompressedTable(CODES, 6).double()


def test_a_vector_is_the_sum_of_its_words(table):
    words = table.words.weight.detach().numpy().reshape(3, 256, 6)
    expected = [sum(words[m, c] for m, c in enumerate(code)) for code in table.codes.tolist()]
    np.testing.assert_allclose(table(torch.arange(4)).detach().numpy(), expected, atol=1e-12)
    assert table(torch.tensor([[0, 1, 2], [3, 3, 0]])).shape == (2, 3, 6)
    np.testing.assert_allclose(table(torch.tensor([[2], [1]]))[1, 0].detach().numpy(), expected[1], atol=1e-12)


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


def test_given_words_keep_their_directions_and_the_vectors_have_the_usual_length():
    words = 50 * torch.randn(3, 256, 6, generator=torch.Generator().manual_seed(0))
    table = CompressedTable(CODES, 6, codewords=words)
    vectors = table(torch.arange(4)).detach()
    expected = torch.stack([words[torch.arange(3), code].sum(0) for code in CODES])
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(vectors, expected), torch.ones(4))
    assert vectors.square().mean().sqrt().item() == pytest.approx(6**-0.5 / 4)


def test_towers_share_it_and_its_start_is_of_the_seed():
    table, again = (CompressedTable(torch.zeros(10, 2, dtype=torch.int64), 8, seed=3) for _ in range(2))
    assert torch.equal(table.words.weight, again.words.weight)
    for kind in ("history", "sequence"):
        towers = interaction_towers(kind, 10, 8, table=table)
        assert towers.query.item_table is towers.item.table is table
        assert towers.query(torch.tensor([[1, 2]])).shape == (1, 8)


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (torch.zeros(3, 2), {}, "codes must be integers"),
        (torch.tensor([[0, 256]]), {}, "codes must be 0 to 255, not 0 to 256"),
        (torch.zeros(3, 65, dtype=torch.int64), {}, r"table_bytes \(=65\) must be 1 to 64"),
        (torch.zeros(3, 0, dtype=torch.int64), {}, r"table_bytes \(=0\) must be 1 to 64"),
        (CODES, {"codewords": torch.zeros(3, 256, 4)}, r"codewords \(shape \(3, 256, 4\)\) must be \(3, 256, 6\)"),
    ],
)
def test_mistakes_are_refused(codes, options, message):
    with pytest.raises(ValueError, match=message):
        CompressedTable(codes, 6, **options)

"""Query tower, fusion and product tower."""

import numpy as np
import pytest
import torch

from poeem.towers.item_table import ItemTable
from poeem.towers.product.fusion import AttentionFusion
from poeem.towers.product.item import ProductTower
from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.product.query import Behaviour, QueryParts, TokenCounts, product_towers

from . import oracles
from .test_semantic_unit import QUERY

TITLES = torch.tensor([[0, 1, -1], [2, 3, 4], [-1, -1, -1], [5, -1, -1]])
BEHAVIOUR = Behaviour(
    recent=torch.tensor([[-1, 1, 0], [-1, -1, -1], [3, 3, 2]]),
    short=torch.tensor([[2, 3], [-1, -1], [-1, 0]]),
    long=torch.tensor([[0, 0], [-1, -1], [1, 2]]),
    long_kinds=torch.tensor([[0, 1], [-1, -1], [1, 1]]),
)


def towers(**changes):
    attributes = {"brand": torch.tensor([0, 1, 1, -1])}
    parts = QueryParts(heads=2, **changes)
    return product_towers(TITLES, TokenCounts(7, 6, 5), 8, attributes=attributes, n_kinds=2, parts=parts)


def test_fusion_is_the_row_of_cls():
    fusion, rows = AttentionFusion(8, heads=2), torch.randn(2, 6, 8)
    oracles.randomise(fusion)
    found, weights = fusion(rows[:, :2], rows[:, 2:]).detach().numpy(), oracles.numbers(fusion)
    for i in range(2):
        x = np.vstack([weights["cls"], rows[i].double().numpy()])
        expected = oracles.self_attention(oracles.below(weights, "attention"), x, heads=2)[0]
        np.testing.assert_allclose(found[i], expected, atol=1e-4)


def test_product_vectors_are_id_attributes_and_title():
    tower = towers().item
    oracles.randomise(tower)
    weights, found = oracles.numbers(tower), tower(torch.arange(4)).detach().numpy()
    for i, brand in enumerate([0, 1, 1, -1]):
        title = oracles.mean_embedding(weights["words.vectors.weight"], TITLES[i].numpy())
        expected = (
            weights["table.ids.weight"][i]
            + weights["table.features.brand.vectors.weight"][brand + 1]
            + np.tanh(title @ weights["title.weight"].T + weights["title.bias"])
        )
        np.testing.assert_allclose(found[i], expected, atol=1e-5)
    lists = torch.tensor([[3, -1, 3], [0, 1, 2]])
    of_lists = tower.of_lists(lists[:, :1], lists[:, 1:]).detach().numpy()
    np.testing.assert_allclose(of_lists[lists.numpy() >= 0], found[lists[lists >= 0].numpy()], atol=1e-6)


@pytest.mark.parametrize("granular", [True, False])
@pytest.mark.parametrize("attention", [True, False])
def test_padding_does_not_change_a_vector_and_every_parameter_learns(granular, attention):
    query = towers(granular=granular, attention=attention).query
    oracles.randomise(query)
    vectors = query(QUERY, BEHAVIOUR)
    assert vectors.shape == (3, 8)
    padded = Behaviour(*(torch.cat([torch.full_like(span, -1), span], 1) for span in BEHAVIOUR))
    torch.testing.assert_close(query(QUERY, padded), vectors, atol=1e-5, rtol=1e-4)
    vectors.square().sum().backward()
    idle = [name for name, parameter in query.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not idle


def test_the_head_finds_the_items_that_were_chosen_again():
    query = towers().query
    oracles.randomise(query)
    found, weights = query(QUERY, BEHAVIOUR).detach().numpy(), oracles.numbers(query)
    with torch.no_grad():
        last, items = query.unit(QUERY)[:, -1].double().numpy(), query.items(torch.arange(4)).double().numpy()
        head, query.again = query.again, None
        fused = query(QUERY, BEHAVIOUR).double().numpy()
    assert head is not None
    for i in range(3):
        history = torch.cat(BEHAVIOUR[:3], 1)[i].numpy()
        history = history[history >= 0]
        ids = weights["items.table.ids.weight"][history]
        chosen = oracles.query_attention(np.exp(weights["again.log_scale"]), last[i][None], items[history], ids)
        x = np.concatenate([last[i], fused[i], chosen[0]])
        hidden = x @ weights["head.widen.weight"].T + weights["head.widen.bias"]
        expected = (
            weights["head.skip.weight"] @ x
            + weights["head.narrow.weight"] @ (hidden * oracles.sigmoid(hidden))
            + weights["head.narrow.bias"]
        )
        np.testing.assert_allclose(found[i], expected, atol=1e-3)


@pytest.mark.parametrize("granular", [True, False])
@pytest.mark.parametrize("attention", [True, False])
def test_queries_of_one_visit_share_its_behaviour(granular, attention):
    query = towers(granular=granular, attention=attention).query
    oracles.randomise(query)
    # Five queries of three visits, not in their order; the third visit has three queries.
    visit, asked = torch.tensor([2, 0, 2, 1, 2]), torch.tensor([0, 1, 1, 2, 0])
    tokens = QUERY._replace(**{name: part[asked] for name, part in QUERY._asdict().items()})
    alone = query(tokens._replace(past=QUERY.past[visit]), Behaviour(*(span[visit] for span in BEHAVIOUR)))
    together = query(tokens._replace(past=QUERY.past), BEHAVIOUR, visit)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    gradient = torch.autograd.grad(together.square().sum(), query.items.table.ids.weight)[0]
    expected = torch.autograd.grad(alone.square().sum(), query.items.table.ids.weight)[0]
    torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-3)


def test_a_query_without_known_tokens_and_without_history_has_a_finite_vector():
    nothing = QUERY._replace(**{name: torch.full_like(part, -1) for name, part in QUERY._asdict().items()})
    empty = Behaviour(*(torch.full_like(span, -1) for span in BEHAVIOUR))
    assert towers().query(nothing, empty).isfinite().all()


def test_the_towers_share_words_and_items():
    made = towers()
    assert made.query.unit.words is made.item.words
    assert made.query.items is made.item


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"titles must be int64, \(n_items=4, L\)"):
        ProductTower(ItemTable(4, 8), MeanEmbedding(7, 8), TITLES[:3])
    with pytest.raises(ValueError, match=r"words \(width=4\) must have the width of the table \(=8\)"):
        ProductTower(ItemTable(4, 8), MeanEmbedding(7, 4), TITLES)
    with pytest.raises(ValueError, match="history has item number 4"):
        towers().query(QUERY, BEHAVIOUR._replace(recent=torch.full((3, 1), 4)))

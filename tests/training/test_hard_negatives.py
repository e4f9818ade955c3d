from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training import hard_negatives
from poeem.training.hard_negatives import HardNegatives, Mined, log_column_probability, mine_ranks
from poeem.training.model import JointModel
from poeem.training.options.groups import LossOptions

N, DIM, TEMPERATURE = 300, 8, 0.25


def world(metric: str, seed: int = 0):
    """Queries with a positive and a history each, and a table of vectors."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(N, DIM, generator=generator)
    queries = torch.randn(12, DIM, generator=generator)
    positive = torch.randint(0, N, (12,), generator=generator)
    known = torch.randint(-1, N, (12, 5), generator=generator)
    return (F.normalize(table) if metric == "cosine" else table), queries, positive, known


def slow_search(table, queries, positive, known, metric, *, first, last, margin) -> list[set[int]]:
    """Eligible items of every query, by sorting all scores in float64."""
    x = table.double().numpy()
    found = []
    for q, relevant, history in zip(queries.double().numpy(), positive.tolist(), known.tolist()):
        if metric == "cosine":
            q = q / np.linalg.norm(q)
        scores = -((x - q) ** 2).sum(1) if metric == "l2" else x @ q
        order = [i for i in np.argsort(-scores) if i != relevant and i not in history]
        ceiling = scores[relevant] + margin * TEMPERATURE
        found.append({int(i) for i in order[first - 1 : last] if scores[i] <= ceiling})
    return found


def searcher(table: torch.Tensor, **options) -> HardNegatives:
    made = HardNegatives(torch.arange(len(table)), DIM, **options)
    made.refresh(lambda items: table[items], 0)
    return made


@pytest.mark.parametrize("margin", [0.0, 2.0, float("inf")])
@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_it_finds_what_a_slow_search_finds(metric, margin):
    table, queries, positive, known = world(metric)
    # With as many as there are ranks, nothing is left to chance.
    mining = searcher(table, count=31, first=10, last=40, margin=margin)
    mined = mining.mine(queries, positive, known, table[positive], metric=metric, temperature=TEMPERATURE)
    expected = slow_search(table, queries, positive, known, metric, first=10, last=40, margin=margin)
    assert mined.rows.tolist() == sorted(set.union(*expected))
    if margin == float("inf"):
        assert all(len(one) == 31 for one in expected)
    # Everything eligible is taken for sure, everything else surely not.
    sure = torch.zeros(N)
    sure[mined.rows] = -torch.inf
    assert torch.equal(mined.log_missed, sure)


def test_a_querys_own_items_are_never_taken_and_each_takes_so_many():
    for seed in range(20):
        table, queries, positive, known = world("ip", seed)
        known[:, 0] = -1
        mining = searcher(table, count=3, first=1, last=20, margin=float("inf"))
        for query in range(len(queries)):
            one = slice(query, query + 1)
            mined = mining.mine(
                queries[one], positive[one], known[one], table[positive[one]], metric="ip", temperature=TEMPERATURE
            )
            assert len(mined.rows) == 3
            assert not set(mined.rows.tolist()) & {int(positive[query]), *known[query].tolist()}


def test_chances_are_those_counted():
    table, queries, positive, known = world("ip")
    mining = searcher(table, count=2, first=5, last=14, margin=1.0)
    torch.manual_seed(0)
    taken = torch.zeros(N)
    for _ in range(4000):
        mined = mining.mine(queries, positive, known, table[positive], metric="ip", temperature=TEMPERATURE)
        taken[mined.rows] += 1 / 4000
    np.testing.assert_allclose(-torch.expm1(mined.log_missed).numpy(), taken.numpy(), atol=0.03)


def test_weights_make_a_sum_over_columns_one_over_the_catalogue():
    """What the logQ correction promises: ``E[sum over columns of e^s / p] = sum over the catalogue of e^s``."""
    generator = torch.Generator().manual_seed(0)
    table, queries, positive, known = world("ip")
    mining = searcher(table, count=2, first=1, last=300, margin=float("inf"))
    torch.manual_seed(0)
    chance, values, sums = torch.rand(N, generator=generator) * 0.3 + 0.05, torch.rand(N, generator=generator), []
    for _ in range(3000):
        mined = mining.mine(queries, positive, known, table[positive], metric="ip", temperature=TEMPERATURE)
        in_batch = torch.nonzero(torch.rand(N) < chance)[:, 0]
        columns = torch.cat([in_batch, mined.rows]).unique()
        log_p = log_column_probability(chance.log()[columns], mining.log_missed(mined, columns))
        sums.append((values[columns] / log_p.exp()).sum().item())
    assert np.mean(sums) == pytest.approx(values.sum().item(), rel=0.01)


def test_certain_columns_have_probability_one():
    assert log_column_probability(torch.zeros(1), torch.zeros(1)).item() == 0
    assert log_column_probability(torch.tensor([-30.0]), torch.tensor([-torch.inf])).item() == 0
    # Far below what 1 - q can tell from 1 in float32.
    assert log_column_probability(torch.tensor([-20.0]), torch.zeros(1)).item() == pytest.approx(-20, rel=1e-3)


def test_of_a_large_catalogue_a_part_is_searched(monkeypatch):
    monkeypatch.setattr(hard_negatives, "ROWS", 50)
    items = torch.arange(100, 700, 2)
    requested = []

    def scored(numbers: torch.Tensor) -> torch.Tensor:
        requested.append(numbers.clone())
        return torch.randn(len(numbers), DIM)

    mining = HardNegatives(items, DIM, count=2, first=12, last=60)
    assert (mining.first, mining.last) == (2, 10)
    assert mining.table.shape == (50, DIM)
    for step in (0, 16, 0):
        mining.refresh(scored, step)
    assert all(len(one) == 50 and set(one.tolist()) <= set(items.tolist()) for one in requested)
    assert torch.equal(requested[0], requested[2])
    assert not torch.equal(requested[0], requested[1])
    rows = mining.rows_of(torch.tensor([[requested[0][7], -1], [101, requested[0][49]]]))
    assert rows.tolist() == [[7, -1], [-1, 49]]
    assert mining.log_missed(
        Mined(rows, torch.full((50,), -2.0)), torch.tensor([101, int(requested[0][3])])
    ).tolist() == [
        0,
        -2,
    ]
    assert 0 < mining.time_share <= 1


def test_a_query_without_eligible_items_takes_none():
    mined = mine_ranks(
        torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[2]]), torch.tensor([0.5]), first=1, last=3, count=2
    )
    assert mined.rows.tolist() == []
    assert mined.log_missed.tolist() == [0, 0, 0]


@pytest.mark.parametrize("candidates", ["unique", "positives"])
def test_a_step_with_every_item_mined_is_the_softmax_over_the_catalogue(candidates):
    n = 40
    towers = interaction_towers("history", n, DIM, history_length=4)
    index = EmbeddingIndex(DIM, "OPQ2,PQ2x4", warmup_steps=100)
    mining = HardNegatives(torch.arange(n), DIM, count=n, first=1, last=n, margin=float("inf"))
    q = torch.linspace(0.01, 0.2, n)
    loss = LossOptions(temperature=0.5, candidates=candidates, views="quantized", commitment=0.0)
    model = JointModel(towers, index, log_q=q.log(), loss=loss, hard_negatives=mining)
    with torch.no_grad():
        index.warm_start(towers.item(torch.arange(n)))
    history, positive = torch.tensor([[-1, 3, 4, 5], [-1, -1, -1, -1]]), torch.tensor([7, 11])
    before = model(history, positive).retrieval
    mining.active = True
    mining.refresh(model.scored_vectors, 0)
    found = model(history, positive).retrieval
    with torch.no_grad():
        scores = F.normalize(towers.query(history)) @ model.scored_vectors(torch.arange(n)).T / 0.5
        if candidates == "positives":
            # Two positives are columns of their own beside all that is mined: at 1/2 draw, plus q a draw.
            scores = scores - (q + 0.5).log()
            logits = torch.cat([scores, scores[:, positive]], dim=1)
            # A query's own positive counts once.
            logits[torch.arange(2), positive] = -torch.inf
            logits[torch.arange(2), n + 1 - torch.arange(2)] = scores[torch.arange(2), positive.flip(0)]
            expected = F.cross_entropy(logits, torch.tensor([n, n + 1]))
        else:
            expected = F.cross_entropy(scores, positive)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    assert found.item() != pytest.approx(before.item(), rel=1e-2)
    assert model.eval()(history, positive).retrieval.item() == pytest.approx(before.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, r"hard_negatives \(=0\) must be at least 1"),
        ({"count": 200}, r"hard_negatives \(=200\) must be at most 191"),
        ({"count": 1, "margin": -1.0}, "margin"),
        ({"count": 1, "every": 0}, "every"),
    ],
)
def test_senseless_numbers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HardNegatives(torch.arange(N), DIM, **options)

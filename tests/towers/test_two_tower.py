import pytest
import torch

from poeem.towers.protocol import EveryPositionTower, ItemTower, QueryTower
from poeem.towers.two_tower import TwoTower, interaction_towers


@pytest.mark.parametrize("kind", ["history", "sequence"])
def test_towers_share_one_table_and_fit_the_protocol(kind):
    towers = interaction_towers(kind, 10, 8, side={"genre": torch.zeros(10).long()})
    assert towers.query.item_table is towers.item.table
    assert isinstance(towers.query, QueryTower)
    assert isinstance(towers.item, ItemTower)
    assert hasattr(towers.query, "every_position") == (kind == "sequence")
    assert len(list(towers.parameters())) == len({id(p) for p in towers.parameters()})


def test_a_users_own_modules_fit():
    class Own(torch.nn.Module):
        def forward(self, history):
            return torch.zeros(len(history), 4)

        def every_position(self, history):
            return torch.zeros(*history.shape, 4)

    own = Own()
    towers = TwoTower(own, torch.nn.Embedding(10, 4), 4)
    assert isinstance(own, EveryPositionTower)
    assert towers.query(torch.zeros(2, 3).long()).shape == (2, towers.dim)


def test_the_seed_decides_and_the_global_generator_stays():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (interaction_towers("history", 10, 8, seed=seed) for seed in (1, 1, 2))
    assert (torch.rand(3) == expected).all()
    assert all((a == b).all() for a, b in zip(first.parameters(), same.parameters()))
    assert (first.item.table.ids.weight != other.item.table.ids.weight).any()


def test_learns_which_item_follows_under_every_metric():
    # Item i is followed by i + 1: a few steps must do, whatever the metric.
    from poeem.losses.retrieval_softmax import retrieval_softmax

    history, target = torch.arange(20)[:, None], (torch.arange(20) + 1) % 20
    for metric in ("ip", "cosine", "l2"):
        towers = interaction_towers("history", 20, 16)
        optimizer = torch.optim.Adam(towers.parameters(), lr=1e-2)
        for _ in range(60):
            items = towers.item(torch.arange(20))
            loss = retrieval_softmax(
                towers.query(history), items, target, metric=metric, normalize_items=metric == "cosine"
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.05, metric


def test_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match=r"kind \(='transformer'\) must be one of 'history', 'sequence'"):
        interaction_towers("transformer", 10, 8)

import numpy as np
import pytest
import torch
from torch import nn

from poeem.towers.history import HistoryTower
from poeem.towers.item_table import ItemTable


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = HistoryTower(ItemTable(10, 6), 4, history_length=3, hidden=5).double()
    nn.init.normal_(tower.mlp.narrow.weight)
    return tower


def oracle(tower, history):
    """One history, in numpy."""
    table = tower.item_table.ids.weight.detach().numpy()
    items = [i for i in history if i >= 0][-tower.history_length :]
    if not items:
        pooled = last = tower.empty.detach().numpy()
    else:
        recency = [tower.recency[len(items) - 1 - place].item() for place in range(len(items))]
        weights = np.exp(recency) / np.exp(recency).sum()
        pooled, last = sum(w * table[i] for w, i in zip(weights, items)), table[items[-1]]
    x = torch.from_numpy(np.concatenate([pooled, last]))
    return tower.mlp(x).detach().numpy()


def test_equals_the_oracle(tower):
    rows = [[-1, -1, -1, -1], [-1, -1, -1, 7], [-1, 2, 2, 9], [1, 2, 3, 4]]
    found = tower(torch.tensor(rows)).detach().numpy()
    np.testing.assert_allclose(found, [oracle(tower, row) for row in rows], rtol=1e-12)


def test_padding_and_older_items_do_not_matter(tower):
    short = tower(torch.tensor([[5, 6]]))
    torch.testing.assert_close(tower(torch.tensor([[-1, -1, -1, 5, 6]])), short)
    torch.testing.assert_close(tower(torch.tensor([[1, 4, 5, 6]])), tower(torch.tensor([[9, 4, 5, 6]])))


def test_every_parameter_learns_and_the_gradient_is_finite(tower):
    tower(torch.tensor([[-1, -1, -1], [1, 2, 3]])).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_takes_a_plain_embedding():
    table = nn.Embedding(10, 6)
    torch.manual_seed(1)
    plain = HistoryTower(table, 6)
    wrapped = ItemTable(10, 6)
    wrapped.ids = table
    torch.manual_seed(1)
    other = HistoryTower(wrapped, 6)
    history = torch.tensor([[3, 1]])
    torch.testing.assert_close(plain(history), other(history))


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (torch.tensor([1, 2]), r"history must be int64, \(B, L\), L > 0, not torch.int64, \(2,\)"),
        (torch.zeros(2, 0).long(), r"L > 0"),
        (torch.tensor([[1.0]]), r"history must be int64, \(B, L\), L > 0, not torch.float32"),
        (torch.tensor([[10]]), r"history has item number 10; numbers must be in \[0, 10\), or -1 where it is empty"),
        (torch.tensor([[-2]]), r"history has item number -2"),
    ],
)
def test_refuses_what_is_no_history(tower, history, message):
    with pytest.raises(ValueError, match=message):
        tower(history)


def test_refuses_sizes():
    with pytest.raises(ValueError, match=r"history_length \(=0\) must be at least 1"):
        HistoryTower(nn.Embedding(3, 2), 2, history_length=0)
    with pytest.raises(ValueError, match=r"dim \(=0\) must be at least 1"):
        HistoryTower(nn.Embedding(3, 2), 0)

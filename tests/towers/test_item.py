import pytest
import torch
from torch import nn

from poeem.towers.item import ItemTower
from poeem.towers.item_table import ItemTable


def test_starts_as_its_table_and_learns_from_there():
    torch.manual_seed(0)
    tower = ItemTower(ItemTable(20, 8), 8)
    items = torch.tensor([3, 19, 3])
    torch.testing.assert_close(tower(items), tower.table(items))
    tower(items).sum().backward()
    assert tower.mlp.narrow.weight.grad.abs().sum() > 0


def test_every_item_of_the_catalogue_has_a_vector():
    tower = ItemTower(nn.Embedding(20, 12), 8)
    vectors = tower(torch.arange(20))
    assert vectors.shape == (20, 8)
    assert vectors.isfinite().all()
    assert len(vectors.detach().unique(dim=0)) == 20


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (torch.tensor([[1]]), r"items must be int64, \(n,\), not torch.int64, \(1, 1\)"),
        (torch.tensor([1.0]), r"items must be int64, \(n,\), not torch.float32, \(1,\)"),
        (torch.tensor([20]), r"items has item number 20; numbers must be in \[0, 20\)$"),
        (torch.tensor([-1]), r"items has item number -1; numbers must be in \[0, 20\)$"),
    ],
)
def test_refuses_what_is_no_item(items, message):
    with pytest.raises(ValueError, match=message):
        ItemTower(nn.Embedding(20, 8), 8)(items)


def test_refuses_a_dim_of_zero():
    with pytest.raises(ValueError, match=r"dim \(=0\) must be at least 1"):
        ItemTower(nn.Embedding(20, 8), 0)

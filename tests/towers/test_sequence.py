import numpy as np
import pytest
import torch
from torch import nn

from poeem.towers.item_table import ItemTable
from poeem.towers.sequence import SequenceTower


@pytest.fixture
def tower():
    torch.manual_seed(0)
    tower = SequenceTower(ItemTable(10, 8), 8, history_length=6, blocks=2, heads=2, dropout=0.5).double().eval()
    for parameter in tower.parameters():  # so that biases, norms and distances count
        nn.init.normal_(parameter, std=0.5)
    return tower


def oracle(tower, items):
    """The vector after the last of ``items``, in numpy: one head, one place after the other."""
    a = {name: p.detach().numpy() for name, p in tower.named_parameters()}

    def linear(name, x):
        return x @ a[f"{name}.weight"].T + a[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * a[f"{name}.weight"] + a[f"{name}.bias"]

    rows = [a["item_table.ids.weight"][i] for i in items] or [a["empty"]]
    x = np.stack(rows) * np.sqrt(8)
    for b in range(len(tower.blocks)):
        at = f"blocks.{b}"
        q, k, v = np.split(linear(f"{at}.qkv", norm(f"{at}.norm_attention", x)), 3, axis=1)
        attended = np.zeros_like(x)
        for head in range(2):
            own = slice(4 * head, 4 * head + 4)
            for i in range(len(x)):
                logits = [q[i, own] @ k[j, own] / 2 + a[f"{at}.by_distance"][head, i - j] for j in range(i + 1)]
                weights = np.exp(logits) / np.exp(logits).sum()
                attended[i, own] = weights @ v[: i + 1, own]
        x = x + linear(f"{at}.out", attended)
        hidden = linear(f"{at}.mlp.0", norm(f"{at}.norm_mlp", x))
        x = x + linear(f"{at}.mlp.2", nn.functional.silu(torch.from_numpy(hidden)).numpy())
    return norm("norm", x)[-1]


def test_equals_the_oracle(tower):
    rows = [[-1, -1, -1, -1], [-1, -1, -1, 7], [-1, 2, 2, 9], [1, 2, 3, 4]]
    expected = [oracle(tower, [i for i in row if i >= 0]) for row in rows]
    np.testing.assert_allclose(tower(torch.tensor(rows)).detach().numpy(), expected, rtol=1e-9)


def test_every_position_is_the_forward_of_the_history_up_to_there(tower):
    history = torch.tensor([[-1, -1, 3, 1, 4, 5], [9, 2, 6, 5, 3, 5]])
    every = tower.every_position(history)
    for place in range(history.shape[1]):
        torch.testing.assert_close(every[:, place], tower(history[:, : place + 1]))


def test_padding_and_older_items_do_not_matter(tower):
    short = tower(torch.tensor([[5, 6]]))
    torch.testing.assert_close(tower(torch.tensor([[-1, -1, 5, 6]])), short)
    recent = [1, 4, 5, 6, 0, 2]
    torch.testing.assert_close(tower(torch.tensor([[3, *recent]])), tower(torch.tensor([[8, *recent]])))


def test_a_history_without_items_gives_a_finite_vector_and_gradient(tower):
    tower.train()
    vectors = tower.every_position(torch.full((2, 4), -1))
    vectors.square().sum().backward()
    assert vectors.isfinite().all()
    assert tower.empty.grad.isfinite().all()
    assert tower.empty.grad.abs().sum() > 0


def test_every_parameter_learns(tower):
    tower.train()
    tower(torch.tensor([[-1, -1, -1], [1, 2, 3]])).pow(3).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tower.parameters())


def test_another_width_has_a_head():
    tower = SequenceTower(nn.Embedding(10, 8), 6)
    assert tower(torch.tensor([[1, 2]])).shape == (1, 6)


def test_refuses_what_does_not_fit(tower):
    with pytest.raises(ValueError, match=r"heads \(=3\) must divide the table's width \(=8\); choose one of 1, 2, 4"):
        SequenceTower(nn.Embedding(10, 8), 8, heads=3)
    with pytest.raises(ValueError, match=r"blocks \(=0\) must be at least 1"):
        SequenceTower(nn.Embedding(10, 8), 8, blocks=0)
    with pytest.raises(ValueError, match=r"history has 7 places, history_length is 6; pass the last ones"):
        tower.every_position(torch.zeros(1, 7).long())
    with pytest.raises(ValueError, match=r"history has item number 10"):
        tower(torch.tensor([[10]]))

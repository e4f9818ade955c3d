"""GivensRotation: which planes a step turns, by how much, and when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from poeem.functional.matching import greedy_pairs, random_pairs, steepest_pairs
from poeem.functional.triangle import pack_upper
from poeem.layers.rotation import GivensRotation

rng = np.random.default_rng(0)


def started(choice: str = "greedy", dim: int = 6) -> GivensRotation:
    Q = torch.from_numpy(np.linalg.qr(rng.normal(size=(dim, dim)))[0]).float()
    return GivensRotation(dim, choice=choice).set_(Q)  # pyright: ignore[reportReturnType, reportArgumentType]


def gradient(parameter: nn.Parameter) -> np.ndarray:
    assert parameter.grad is not None
    return parameter.grad.numpy()


def expected_step(R: Tensor, G: Tensor, pairs: Tensor, lr: float) -> np.ndarray:
    R64, G64 = R.double().numpy(), G.double().numpy()
    A = G64.T @ R64 - R64.T @ G64
    for i, j in pairs.tolist():
        c, s = np.cos(-lr * A[i, j]), np.sin(-lr * A[i, j])
        R64[:, [i, j]] = R64[:, [i, j]] @ np.array([[c, -s], [s, c]])
    return R64


@pytest.mark.parametrize("choice", ["greedy", "random", "steepest"])
def test_a_step_of_gradient_descent_is_givens_coordinate_descent(choice):
    rotation, G = started(choice), torch.from_numpy(rng.normal(size=(6, 6))).float()
    R = rotation.matrix()
    R.backward(G)
    torch.optim.SGD(rotation.parameters(), lr=0.1).step()
    weights = (G.T @ R.detach() - R.detach().T @ G).abs()
    pairs = {"greedy": greedy_pairs, "steepest": steepest_pairs, "random": lambda _: random_pairs(6, 0, 0)}[choice](
        weights
    )
    np.testing.assert_allclose(rotation.matrix().detach(), expected_step(R.detach(), G, pairs, 0.1), atol=1e-6)
    assert not rotation.angles.any()
    assert rotation.folds == 1


def test_gradients_of_several_uses_add_up():
    rotation = started()
    G, H = torch.from_numpy(rng.normal(size=(2, 6, 6))).float()
    ((rotation.matrix() * G).sum() + (rotation.matrix() * H).sum()).backward()
    R = rotation.matrix().detach()
    A = (G + H).T @ R - R.T @ (G + H)
    np.testing.assert_allclose(gradient(rotation.angles), pack_upper(A), atol=1e-5)


def test_adams_first_step_turns_the_steepest_planes():
    # All angles are equally large then; only the kept gradient knows which planes matter.
    rotation = GivensRotation(4)
    G = torch.zeros(4, 4)
    G[0, 3], G[1, 2], G[0, 1], G[2, 3] = 5.0, 3.0, 0.1, 0.1
    optimizer = torch.optim.Adam(rotation.parameters(), lr=0.1)
    rotation.matrix().backward(G)
    optimizer.step()
    optimizer.zero_grad()
    R = rotation.matrix().detach()
    assert R[0, 3] == pytest.approx(-np.sin(0.1), abs=1e-6)
    assert R[1, 2] == pytest.approx(-np.sin(0.1), abs=1e-6)
    assert R[0, 1] == R[2, 3] == 0


def test_without_a_gradient_the_largest_angles_are_turned():
    rotation = GivensRotation(4)
    with torch.no_grad():
        rotation.angles.copy_(torch.tensor([0.1, 0.0, -0.3, 0.2, 0.0, 0.1]))
    R = rotation.matrix().detach()
    assert R[0, 3] == pytest.approx(np.sin(0.3))
    assert R[1, 2] == pytest.approx(-np.sin(0.2))
    assert R[0, 1] == 0


def test_nothing_is_folded_while_gradients_accumulate():
    one, many = started(), None
    many = GivensRotation(6).set_(one.matrix())
    G = torch.from_numpy(rng.normal(size=(3, 6, 6))).float()
    one.matrix().backward(G.sum(0))
    for part in G:
        many.matrix().backward(part)
        many.eval().matrix()
        many.train()
    for module in (one, many):
        torch.optim.SGD(module.parameters(), lr=0.1).step()
    np.testing.assert_allclose(one.matrix().detach(), many.matrix().detach(), atol=1e-6)
    assert one.folds == many.folds == 1


def test_weight_decay_alone_moves_nothing():
    rotation = started()
    optimizer = torch.optim.AdamW(rotation.parameters(), lr=0.1, weight_decay=0.5)
    before = rotation.matrix().detach()
    for _ in range(3):
        (0.0 * rotation.matrix()).sum().backward()
        optimizer.step()
    assert torch.equal(rotation.matrix(), before)


def test_an_older_graph_keeps_its_rotation():
    rotation = started()
    R, G = rotation.matrix(), torch.from_numpy(rng.normal(size=(6, 6))).float()
    x = torch.ones(1, 6, requires_grad=True)
    y = x @ R
    rotation.matrix().backward(G)
    torch.optim.SGD(rotation.parameters(), lr=0.1).step()
    kept = R.detach().clone()
    rotation.matrix()
    rotation.angles.grad = None
    y.sum().backward()
    ones = torch.ones(6, 6)
    np.testing.assert_allclose(gradient(rotation.angles), pack_upper(ones.T @ kept - kept.T @ ones), atol=1e-5)


def test_newton_schulz_stops_the_drift():
    rotation = started(dim=16)
    rotation.base.mul_(1 + 1e-4)  # as if many products had drifted
    optimizer = torch.optim.SGD(rotation.parameters(), lr=0.01)
    for _ in range(33):
        rotation.matrix().backward(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))
        optimizer.step()
    R = rotation.matrix().detach().double()
    assert (R.T @ R - torch.eye(16)).abs().max() < 1e-6


def test_random_planes_come_from_seed_and_fold():
    found = []
    for seed in (1, 1, 2):
        rotation = GivensRotation(6, choice="random", seed=seed)
        torch.manual_seed(len(found))
        for _ in range(3):
            with torch.no_grad():
                rotation.angles.fill_(0.1)
            rotation.matrix()
        found.append(rotation.matrix().detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_gradient_checkpointing_sees_one_rotation():
    rotation = started()
    x = torch.randn(4, 6, requires_grad=True)
    y = checkpoint(lambda x: (x @ rotation.matrix()).square(), x, use_reentrant=False)
    assert isinstance(y, Tensor)
    (y * torch.arange(6)).sum().backward()
    expected = gradient(rotation.angles)
    rotation.angles.grad = None
    ((x @ rotation.matrix()).square() * torch.arange(6)).sum().backward()
    np.testing.assert_allclose(gradient(rotation.angles), expected, atol=1e-5)


# The compiler looks at .grad of what enters a graph behind a break, whatever it is.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_under_torch_compile():
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.rotation = nn.Linear(6, 6), GivensRotation(6)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x).relu() @ self.rotation.matrix() + 1

    x, results = torch.randn(32, 6, generator=torch.Generator().manual_seed(0)), []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = Tower()
        # aot_eager traces forward and backward as the default backend does, and needs no C++ compiler.
        run = torch.compile(model, backend="aot_eager") if compiled else model
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            (run(x) - x).square().mean().backward()
            optimizer.step()
        assert model.rotation.folds == 19
        results.append(model.rotation.matrix().detach())
    np.testing.assert_allclose(*results, atol=1e-5)


def test_refuses():
    with pytest.raises(ValueError, match=r"choice \(='best'\) must be one of greedy, random, steepest"):
        GivensRotation(4, choice="best")  # pyright: ignore[reportArgumentType]


def test_training_from_an_average_in_place_stays_orthogonal():
    first, second = (GivensRotation(6) for _ in range(2))
    angle = torch.tensor(0.02)
    R = torch.eye(6)
    R[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    second.set_(R)
    for rotation in (first, second):
        rotation.matrix()
    with torch.no_grad():
        first.base.lerp_(second.base, 0.5)
    assert (first.base.T @ first.base - torch.eye(6)).abs().max() > 5e-5
    found = first.matrix().detach().double()
    assert (found.T @ found - torch.eye(6)).abs().max() < 1e-6

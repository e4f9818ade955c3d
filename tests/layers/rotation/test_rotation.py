"""What every kind of rotation promises: orthogonal under any optimizer, learnable, and saved as it is used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poeem.layers.rotation import make_rotation
from tests.layers.rotation.steps import KINDS, TRAINED, error, noisy_steps, random_rotation


@pytest.mark.parametrize("kind", KINDS)
def test_starts_at_the_identity_in_float32(kind):
    rotation = make_rotation(4, kind, seed=0)
    for mode in (True, False):
        R = rotation.train(mode).matrix()
        assert R.dtype == torch.float32
        assert torch.equal(R, torch.eye(4))
        assert R.requires_grad == (mode and kind != "frozen")
    assert kind in repr(rotation)


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_descends_to_the_rotation_of_the_data(kind, name):
    x, Q = torch.randn(64, 6, generator=torch.Generator().manual_seed(0)), random_rotation(6)
    rotation = make_rotation(6, kind, seed=0)
    # A constant rate of Adam keeps moving every plane by the rate: it has to fall for the loss to vanish.
    steps = 600 if kind in ("givens-random", "cayley") else 200
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name](rotation.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 1e-2, total_iters=steps)

    def loss() -> Tensor:
        return (x @ rotation.matrix() - x @ Q).square().sum(1).mean()

    start = loss().item()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()
    assert start > 4
    assert loss().item() < 1e-3 * start


@pytest.mark.parametrize("kind", KINDS)
def test_set_polishes_and_accepts_a_reflection(kind):
    R = random_rotation(5)
    R[:, 0] *= -1
    rotation = make_rotation(5, kind, seed=0)
    if kind != "frozen":
        noisy_steps(rotation, torch.optim.SGD(rotation.parameters(), lr=0.1), 3)
    rotation.set_(R + 1e-4)
    found = rotation.matrix()
    assert error(found) < 1e-6
    assert (found - R).abs().max() < 1e-3
    if kind != "frozen":
        noisy_steps(rotation, torch.optim.SGD(rotation.parameters(), lr=0.1), 3)
        assert torch.linalg.det(rotation.matrix()).item() == pytest.approx(-1, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_set_refuses(kind):
    rotation = make_rotation(3, kind, seed=0)
    with pytest.raises(ValueError, match=r"R \(of shape \(2, 2\)\) must be \(dim, dim\) = \(3, 3\)"):
        rotation.set_(torch.eye(2))
    for wrong in (2 * torch.eye(3), torch.full((3, 3), float("nan"))):
        with pytest.raises(
            ValueError, match=r"R must be orthogonal, but max\|R.T @ R - I\| is (3|nan); take the polar"
        ):
            rotation.set_(wrong)
    assert torch.equal(rotation.matrix(), torch.eye(3))


@pytest.mark.parametrize("kind", TRAINED)
def test_refuses_parameters_that_are_not_finite(kind):
    for value in (float("nan"), float("inf")):
        rotation = make_rotation(3, kind, seed=0)
        with torch.no_grad():
            next(rotation.parameters()).view(-1)[0] = value
        with pytest.raises(RuntimeError, match=f"parameters of the {kind} rotation are not finite.*lower the learning"):
            rotation.matrix()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_returned_does_not_change_later(kind):
    rotation = make_rotation(4, kind, seed=0)
    R = rotation.eval().matrix()
    rotation.set_(random_rotation(4))
    assert torch.equal(R, torch.eye(4))


@pytest.mark.parametrize("kind", KINDS)
def test_width_one(kind):
    rotation = make_rotation(1, kind, seed=0)
    R = rotation.matrix()
    if R.requires_grad:
        (3 * R).sum().backward()
        torch.optim.Adam(rotation.parameters()).step()
    assert torch.equal(rotation.matrix(), torch.eye(1))


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parameters_and_inference_mode(kind):
    rotation = make_rotation(4, kind, seed=0)
    rotation.requires_grad_(False)
    assert not rotation.matrix().requires_grad
    with torch.inference_mode():
        rotation.matrix()
        rotation.eval().matrix()
    rotation.requires_grad_(True).train()
    if kind != "frozen":
        noisy_steps(rotation, torch.optim.SGD(rotation.parameters(), lr=0.1), 2)
    assert error(rotation.matrix()) <= 1e-5


def test_make_rotation_refuses():
    with pytest.raises(ValueError, match=r"rotation \(='givens'\) must be one of givens-greedy, givens-random"):
        make_rotation(4, "givens", seed=0)
    with pytest.raises(ValueError, match=r"dim \(=0\) must be a whole number of 1 or more"):
        make_rotation(0, "polar", seed=0)
    with pytest.raises(ValueError, match=r"dim \(=200\) must be at most 128 for givens-steepest.*choose givens-greedy"):
        make_rotation(200, "givens-steepest", seed=0)
    with pytest.raises(ValueError, match=r"seed \(=-1\)"):
        make_rotation(4, "givens-random", seed=-1)

"""What every kind of rotation promises: orthogonal under any optimizer, learnable, and saved as it is used."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poeem.layers.rotation import ROTATIONS, Rotation, make_rotation

KINDS = sorted(ROTATIONS)
TRAINED = [kind for kind in KINDS if kind != "frozen"]
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
}


def error(R: Tensor) -> float:
    R64 = R.detach().double().numpy()
    return float(np.abs(R64.T @ R64 - np.eye(len(R64))).max())


def random_rotation(dim: int, seed: int = 0) -> Tensor:
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]
    Q[:, 0] *= np.sign(np.linalg.det(Q))
    return torch.from_numpy(Q).float()


def noisy_steps(rotation: Rotation, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> None:
    """Steps on a loss that moves all the time, so that the rotation never comes to rest."""
    generator = torch.Generator().manual_seed(first)
    for G in torch.randn(steps, rotation.dim, rotation.dim, generator=generator):
        optimizer.zero_grad()
        rotation.matrix().backward(G)
        optimizer.step()


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


def check_stays_orthogonal(kind: str, optimizer: str, hundreds: int) -> None:
    rotation = make_rotation(8, kind, seed=0)
    steps = OPTIMIZERS[optimizer](rotation.parameters())
    worst = 0.0
    for hundred in range(hundreds):
        noisy_steps(rotation, steps, 100, first=hundred)
        worst = max(worst, error(rotation.matrix()))
    assert worst <= 1e-5
    assert (rotation.matrix() - torch.eye(8)).abs().max() > 0.02


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", TRAINED)
def test_stays_orthogonal_under_any_optimizer(kind, optimizer):
    check_stays_orthogonal(kind, optimizer, hundreds=2)


# Only a product of many factors can drift; the other kinds start from scratch at every step.
@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_orthogonal_after_ten_thousand_steps(optimizer):
    check_stays_orthogonal("givens-greedy", optimizer, hundreds=100)


@pytest.mark.parametrize("kind", KINDS)
def test_orthogonal_with_large_steps_and_odd_width(kind):
    rotation = make_rotation(7, kind, seed=0)
    parameters = list(rotation.parameters()) or [nn.Parameter(torch.zeros(1))]
    noisy_steps_of = torch.optim.SGD(parameters, lr=30.0)
    if kind == "frozen":
        return
    for step in range(70):
        noisy_steps(rotation, noisy_steps_of, 1, first=step)
        assert error(rotation.matrix()) <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_leaves_it_in_float32(kind):
    rotation, plain = make_rotation(8, kind, seed=0), make_rotation(8, kind, seed=0)
    x = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    gradients = []
    for module, enabled in ((rotation, True), (plain, False)):
        module.set_(random_rotation(8))
        for _ in range(40):
            module.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                R = module.matrix()
                assert R.dtype == torch.float32
                if R.requires_grad:
                    # The product in float32, so that the gradients can be compared; backward() inside the block.
                    (R * x[:8]).sum().backward()
            with torch.no_grad():
                for parameter in module.parameters():
                    assert parameter.grad is not None
                    parameter -= 0.01 * parameter.grad
        assert error(module.matrix()) <= 1e-6
        gradients.append(module.matrix().detach())
    assert torch.equal(*gradients)


@pytest.mark.parametrize("kind", TRAINED)
def test_a_bfloat16_product_trains_it(kind):
    rotation, Q = make_rotation(8, kind, seed=0), random_rotation(8)
    x = torch.randn(128, 8, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(rotation.parameters(), lr=2e-2)
    losses = []
    for _ in range(300):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = (x @ rotation.matrix() - x @ Q).float().square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert error(rotation.matrix()) <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_eval_and_state_dict_see_the_step_and_change_nothing(kind):
    rotation = make_rotation(6, kind, seed=0)
    optimizer = torch.optim.Adam(list(rotation.parameters()) or [nn.Parameter(torch.zeros(1))], lr=0.1)
    if kind != "frozen":
        noisy_steps(rotation, optimizer, 5)
    pending = {name: value.clone() for name, value in (*rotation.named_parameters(), *rotation.named_buffers())}
    R = rotation.eval().matrix()
    saved = rotation.state_dict()
    for name, value in (*rotation.named_parameters(), *rotation.named_buffers()):
        assert torch.equal(value, pending[name])
    restored = make_rotation(6, kind, seed=0)
    restored.load_state_dict(saved, strict=True)
    for module in (rotation.train(), restored, copy.deepcopy(rotation), restored.eval()):
        assert torch.equal(module.matrix(), R)
    assert error(R) <= 1e-5
    if kind != "frozen":
        assert (R - torch.eye(6)).abs().max() > 0.01


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("kind", TRAINED)
def test_saving_and_resuming_continue_bit_for_bit(kind, set_to_none):
    def run(save_at: tuple[int, ...], resume: bool) -> Tensor:
        rotation = make_rotation(6, kind, seed=0)
        optimizer = torch.optim.AdamW(rotation.parameters(), lr=0.02, weight_decay=0.1)
        for step in range(50):
            G = torch.randn(6, 6, generator=torch.Generator().manual_seed(step))
            # The rotation before zero_grad, so that either way of zeroing leaves the gradient until the fold.
            loss = (rotation.matrix() * G).sum()
            optimizer.zero_grad(set_to_none=set_to_none)
            loss.backward()
            optimizer.step()
            if step in save_at:
                file = io.BytesIO()
                torch.save({"model": rotation.state_dict(), "optimizer": optimizer.state_dict()}, file)
                if resume:
                    file.seek(0)
                    found = torch.load(file)
                    rotation = make_rotation(6, kind, seed=0)
                    optimizer = torch.optim.AdamW(rotation.parameters(), lr=0.02, weight_decay=0.1)
                    rotation.load_state_dict(found["model"], strict=True)
                    optimizer.load_state_dict(found["optimizer"])
        return rotation.matrix().detach()

    uninterrupted = run((), resume=False)
    assert torch.equal(uninterrupted, run((7, 31, 33), resume=False))
    assert torch.equal(uninterrupted, run((7, 31, 33), resume=True))


@pytest.mark.parametrize("kind", KINDS)
def test_pickles_with_a_step_pending(kind):
    rotation = make_rotation(6, kind, seed=0)
    if kind != "frozen":
        noisy_steps(rotation, torch.optim.SGD(rotation.parameters(), lr=0.1), 3)
    file = io.BytesIO()
    torch.save(rotation, file)
    file.seek(0)
    restored = torch.load(file, weights_only=False)
    assert torch.equal(restored.matrix(), rotation.matrix())
    if kind != "frozen":
        for module in (rotation, restored):
            noisy_steps(module, torch.optim.SGD(module.parameters(), lr=0.1), 3, first=9)
        assert torch.equal(restored.matrix(), rotation.matrix())


@pytest.mark.parametrize("kind", KINDS)
def test_stays_in_float32_when_the_model_is_cast(kind):
    rotation = make_rotation(6, kind, seed=0).set_(random_rotation(6))
    R = rotation.matrix().detach()
    for cast in (nn.Module.half, nn.Module.bfloat16, nn.Module.double, lambda m: m.to("cpu", torch.float16)):
        cast(nn.Sequential(rotation))
        assert torch.equal(rotation.matrix(), R)
        assert all(p.dtype == torch.float32 for p in rotation.parameters())
    assert rotation.to("meta").matrix().device.type == "meta" if kind == "frozen" else True


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
def test_means_of_weights_are_rotations(kind):
    """Weight averaging and model soups: the nearest rotation to the mean."""
    models = []
    for seed in range(2):
        rotation = make_rotation(6, kind, seed=0)
        near = np.linalg.svd(np.eye(6) + 0.05 * np.random.default_rng(seed).standard_normal((6, 6)))
        models.append(rotation.set_(torch.from_numpy(near[0] @ near[2])))
    averaged = torch.optim.swa_utils.AveragedModel(models[0], use_buffers=True)
    for rotation in models:
        averaged.update_parameters(rotation)
    first, second = (rotation.state_dict() for rotation in models)
    soup = make_rotation(6, kind, seed=0)
    soup.load_state_dict(
        {name: (value + second[name]) / 2 if value.is_floating_point() else value for name, value in first.items()}
    )
    mean = sum(rotation.eval().matrix().double() for rotation in models).numpy() / 2
    assert error(torch.from_numpy(mean)) > 1e-4
    left, _, right = np.linalg.svd(mean)
    for matrix in (averaged.module.eval().matrix(), soup.train().matrix().detach(), soup.eval().matrix()):
        assert error(matrix) <= 1e-5
        np.testing.assert_allclose(matrix.numpy(), left @ right, atol=1e-5)


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

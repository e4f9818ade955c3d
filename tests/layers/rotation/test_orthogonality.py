"""Every rotation stays orthogonal and in float32: any optimizer, large steps, mixed precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from poeem.layers.rotation import make_rotation
from poeem.layers.rotation.givens import FOLDS_BETWEEN_CORRECTIONS
from tests.layers.rotation.steps import KINDS, TRAINED, error, noisy_steps, random_rotation

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", TRAINED)
def test_stays_orthogonal_under_any_optimizer(kind, optimizer):
    rotation = make_rotation(8, kind, seed=0)
    steps = OPTIMIZERS[optimizer](rotation.parameters())
    for fifty in range(2):
        noisy_steps(rotation, steps, 50, first=fifty)
        assert error(rotation.matrix()) <= 1e-5
    assert (rotation.matrix() - torch.eye(8)).abs().max() > 0.02


# Only a product of many factors can drift; the other kinds start from scratch at every step.
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_correction_takes_the_whole_drift_away(optimizer):
    """Whatever happened before, so that ten thousand steps drift no more than those between two corrections."""
    rotation = make_rotation(8, "givens-greedy", seed=0)
    steps, corrections = OPTIMIZERS[optimizer](rotation.parameters()), 0
    for step in range(480):
        noisy_steps(rotation, steps, 1, first=step)
        found = error(rotation.matrix())
        assert found <= 2e-6
        if int(rotation.folds) % FOLDS_BETWEEN_CORRECTIONS == 0:
            corrections += 1
            assert found <= 2.5e-7, step  # what rounding to float32 leaves
    assert corrections == 15


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
def test_stays_in_float32_when_the_model_is_cast(kind):
    rotation = make_rotation(6, kind, seed=0).set_(random_rotation(6))
    R = rotation.matrix().detach()
    for cast in (nn.Module.half, nn.Module.bfloat16, nn.Module.double, lambda m: m.to("cpu", torch.float16)):
        cast(nn.Sequential(rotation))
        assert torch.equal(rotation.matrix(), R)
        assert all(p.dtype == torch.float32 for p in rotation.parameters())
    assert rotation.to("meta").matrix().device.type == "meta" if kind == "frozen" else True

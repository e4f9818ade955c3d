"""State dicts, pickles and means of weights of every rotation."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poeem.layers.rotation import make_rotation
from tests.layers.rotation.steps import KINDS, TRAINED, error, noisy_steps


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

"""The phase in checkpoints, casts and averages of weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.phase import Phase
from poeem.layers.rotation import ROTATIONS
from poeem.layers.usage import Usage

SPEC = "OPQ4,IVF4,PQ4x4"


def sample(n=200, seed=0):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


def new(rotation="givens-greedy", **options):
    return EmbeddingIndex(8, SPEC, metric="ip", rotation=rotation, buffer_rows=100, **options)


def train(index, steps, first=0, rows=60):
    optimizer = torch.optim.SGD(index.parameters(), lr=0.02)
    for step in range(first, first + steps):
        out = index(sample(rows, seed=step))
        optimizer.zero_grad()
        ((out.embedding * torch.arange(8.0)).square().mean() + out.distortion).backward()
        optimizer.step()
        yield index


def rotation_error(index):
    R = index.arrays()["rotation"].astype(np.float64)
    return np.abs(R.T @ R - np.eye(8)).max()


def check_works(index, step):
    assert index.ready
    assert index.step == step
    assert rotation_error(index) <= 1e-5
    x = sample(50, seed=99)
    codes, lists = index.eval().encode(x)
    out = index(x)
    assert torch.equal(out.codes, codes)
    torch.testing.assert_close(index.decode(codes, lists), out.embedding)


@pytest.mark.parametrize("average", ["mean", "ema"])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_averaged_models_work(rotation, average):
    index = new(rotation)
    index.warm_start(sample())
    averaged = AveragedModel(
        index, use_buffers=True, multi_avg_fn=get_ema_multi_avg_fn(0.8) if average == "ema" else None
    )
    steps = []
    for _ in train(index, 21):
        averaged.update_parameters(index)
        steps.append(index.step)
    expected = np.mean(steps) if average == "mean" else steps[0]
    for step in steps[1:] if average == "ema" else ():
        expected += 0.2 * (step - expected)
    check_works(averaged.module, round(expected))


@pytest.mark.parametrize("floats_only", [False, True])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_means_of_state_dicts_work(rotation, floats_only):
    index = new(rotation)
    index.warm_start(sample())
    *_, first = train(index, 10)
    first = copy.deepcopy(first.state_dict())
    *_, second = train(index, 20, first=10)
    second = second.state_dict()
    mean = {
        name: (value + second[name]) / 2 if value.is_floating_point() or not floats_only else value
        for name, value in first.items()
    }
    soup = new(rotation)
    soup.load_state_dict(mean)
    counts = first["phase.codeword_counts"].float()
    if not floats_only:
        counts = (counts + second["phase.codeword_counts"]) / 2
    assert torch.equal(soup.phase.usage.codewords, counts.round().long())
    check_works(soup, 20)
    *_, soup = train(soup.train(), 2)  # and training continues
    assert soup.step == 22
    assert rotation_error(soup) <= 1e-5


def test_a_mean_of_before_and_after_the_warm_start_is_not_ready():
    index = new()
    before = copy.deepcopy(index.state_dict())
    *_, index = train(index, 4)
    assert index.ready
    mean = new()
    mean.load_state_dict({name: (value + before[name]) / 2 for name, value in index.state_dict().items()})
    assert (mean.ready, mean.step) == (False, 2)
    averaged = AveragedModel(new(), use_buffers=True)
    index = new()
    for _ in train(index, 8):
        averaged.update_parameters(index)
    assert index.ready
    assert not averaged.module.ready


def test_averaged_collected_rows_are_dropped_and_others_kept():
    index = new()
    *_, index = train(index, 1)
    state = copy.deepcopy(index.state_dict())
    assert state["phase.collected"].shape == (60, 8)
    mean, kept = new(), new()
    mean.load_state_dict({name: (value + value) / 2 for name, value in state.items()})
    kept.load_state_dict(state)
    assert mean.state_dict()["phase.collected"].shape == (0, 8)
    assert torch.equal(kept.state_dict()["phase.collected"].view(torch.float32), sample(60, seed=0))


def test_steps_are_exact_beyond_those_of_float32_and_in_any_cast():
    phase = Phase(8, 0, 10, Usage(4, 16, 0))
    for step in (0, 65_535, 65_536, 2**24 + 1, 2**33 + 12_345):
        phase.set_(step=step, ready=True)
        for cast in (lambda p: p, torch.nn.Module.half, torch.nn.Module.double, lambda p: p.to(torch.bfloat16)):
            cast(phase)
            assert (phase.step, phase.ready, phase.progress.dtype) == (step, True, torch.float32)
        phase.count_step()
        assert phase.step == step + 1


@pytest.mark.parametrize("prefix", ["", "tower.index."])
@pytest.mark.parametrize("steps", [1, 4])
def test_state_dicts_of_before_the_phase_was_a_module_are_read(steps, prefix):
    index = new()
    *_, index = train(index, steps)
    state = {prefix + name: value for name, value in index.state_dict().items() if not name.startswith("phase.")}
    usage = index.phase.usage
    state[prefix + "progress"] = torch.tensor([index.step, int(index.ready), usage.batches])
    state[prefix + "collected"] = index.phase.state_dict()["collected"].view(torch.float32)
    state[prefix + "used_words"], state[prefix + "used_lists"] = usage.codewords, usage.lists
    if steps == 4:
        state[prefix + "rotation.folds"] = state[prefix + "rotation.folds"].to(torch.int64)
    again = new()
    model = again
    for name in reversed(prefix.split(".")[:-1]):
        model = torch.nn.ModuleDict({name: model})
    model.load_state_dict(state)
    for name, value in index.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name

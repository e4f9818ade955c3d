from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.data.batches import TrainingBatches
from poeem.data.interactions import Interactions
from poeem.data.split import leave_last_out
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training.checkpoints import Checkpoints
from poeem.training.devices import make_accelerator
from poeem.training.fixed_codes import FixedCodes
from poeem.training.hard_negatives import HardNegatives
from poeem.training.model import JointModel
from poeem.training.options.groups import LossOptions
from poeem.training.plan import Plan
from poeem.training.train_joint import train_joint
from poeem.training.train_model import TrainState

STEPS = 40


class Killed(Exception):
    pass


class FatalBatches(TrainingBatches):
    """Dies when asked for a step."""

    fatal = -1

    def batch(self, step: int, rank: int = 0, world: int = 1):
        if step == self.fatal:
            raise Killed
        return super().batch(step, rank, world)


class Training:
    """One run in a folder; ``go`` starts or resumes it with everything built anew."""

    def __init__(
        self,
        interactions: Interactions,
        folder,
        *,
        kind: str = "history",
        spec: str = "OPQ2,IVF4,PQ2x4",
        mining: bool = False,
        fixed: bool = False,
    ):
        self.split, self.folder, self.kind, self.spec = leave_last_out(interactions), folder, kind, spec
        self.mining, self.fixed = mining, fixed

    def go(self, fatal: int = -1, validate=None, before_step=(), **plan) -> tuple[JointModel, TrainState]:
        n = self.split.n_items
        towers = interaction_towers(self.kind, n, 8, history_length=5, dropout=0.3)
        index = EmbeddingIndex(8, self.spec, warmup_steps=STEPS + 1, reseed_every=7) if self.spec else None
        mining = None
        if self.mining:
            items = torch.from_numpy(np.unique(self.split.train.values))
            mining = HardNegatives(items, 8, count=2, every=5, first=2, last=20)
        log_q = torch.full((n,), -3.0)
        weight = 0.5 if self.mining and self.spec else 0.0
        loss = LossOptions(distill=weight, list_loss=weight)
        kept = FixedCodes(n, 2, lists=True) if self.fixed else None
        model = JointModel(towers, index, log_q=log_q, loss=loss, hard_negatives=mining, kept=kept)
        kind = "positions" if self.kind == "sequence" else "prefix"
        batches = FatalBatches(self.split.train, kind, batch_size=32, history_length=5)
        batches.fatal = fatal
        state = train_joint(
            model,
            batches,
            Plan(**({"steps": STEPS, "lr": 0.01, "checkpoint_every": 8} | plan)),
            accelerator=make_accelerator("cpu"),
            checkpoints=Checkpoints(self.folder, {}, resume=True),
            warm_start_items=np.flatnonzero(self.split.seen_in_training),
            validate=validate,
            before_step=before_step,
            progress_title=None,
        )
        return model, state


def assert_same(a: JointModel, b: JointModel) -> None:
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


@pytest.fixture(scope="module", params=["history", "sequence"])
def uninterrupted(request, small, tmp_path_factory) -> tuple[str, JointModel]:
    folder = tmp_path_factory.mktemp("whole")
    return request.param, Training(small, folder, kind=request.param).go()[0]


# Before any checkpoint; in warm-up; at the step of the warm start, just after it, and well past it; twice.
@pytest.mark.parametrize("kills", [[3], [13], [20], [21], [38], [11, 29]], ids=str)
def test_a_run_killed_anywhere_resumes_to_the_same_bits(uninterrupted, small, tmp_path, kills):
    kind, whole = uninterrupted
    training = Training(small, tmp_path, kind=kind)
    for fatal in kills:
        with pytest.raises(Killed):
            training.go(fatal)
    resumed, state = training.go()
    assert state.step == STEPS
    assert_same(whole, resumed)


# Between two refreshes of the table, and at one.
@pytest.mark.parametrize("kills", [[33], [27, 35]], ids=str)
def test_a_run_that_mines_negatives_resumes_to_the_same_bits(small, tmp_path, kills):
    whole, _ = Training(small, tmp_path / "whole", mining=True).go()
    assert whole.hard_negatives.seconds > 0
    training = Training(small, tmp_path / "killed", mining=True)
    for fatal in kills:
        with pytest.raises(Killed):
            training.go(fatal)
    assert_same(whole, training.go()[0])


def test_a_run_that_keeps_its_codes_resumes_to_the_same_bits(small, tmp_path):
    whole, _ = Training(small, tmp_path / "whole", fixed=True).go()
    training = Training(small, tmp_path / "killed", fixed=True)
    for fatal in (20, 33):  # at the step of the warm start, and past it
        with pytest.raises(Killed):
            training.go(fatal)
    assert_same(whole, training.go()[0])
    assert whole.kept.codes.any()


def test_a_twin_mines_in_its_float_vectors_from_the_same_step(small, tmp_path):
    mined, _ = Training(small, tmp_path / "a", spec="", mining=True).go(until=20)
    plain, _ = Training(small, tmp_path / "b", spec="").go(until=20)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, mined.state_dict()[name]), name
    mined, _ = Training(small, tmp_path / "a", spec="", mining=True).go(until=22)
    plain, _ = Training(small, tmp_path / "b", spec="").go(until=22)
    assert not torch.equal(plain.towers.query.recency, mined.towers.query.recency)


def test_another_rerun_is_the_same_and_validation_does_not_disturb(uninterrupted, small, tmp_path):
    kind, whole = uninterrupted
    model, _ = Training(small, tmp_path, kind=kind).go(
        validate=lambda model: float(torch.rand(())), validate_every=3, checkpoint_every=1000
    )
    assert_same(whole, model)


def test_index_is_fitted_at_half_of_the_steps_and_trains_from_there(small, tmp_path):
    seen = []
    training = Training(small, tmp_path)
    model, _ = training.go(validate=lambda m: seen.append(m.quantizes) or 0.0, validate_every=1)
    assert seen == [False] * (STEPS // 2) + [True] * (STEPS // 2)
    assert model.index.step == STEPS


def test_a_callers_own_step_comes_after_the_warm_start(small, tmp_path, monkeypatch):
    called: list[object] = []
    fitted = EmbeddingIndex.warm_start
    monkeypatch.setattr(EmbeddingIndex, "warm_start", lambda index, x: [fitted(index, x), called.append("warm start")])
    Training(small, tmp_path).go(warm_start_step=7, before_step=[lambda step, state: called.append(step)])
    assert called == [*range(7), "warm start", *range(7, STEPS)]


def test_early_stopping_brings_back_the_best(small, tmp_path):
    # After the warm start at 20: better, best, then worse.
    values = {24: 0.5, 28: 0.9, 32: 0.1, 36: 0.2, 40: 0.3}
    kept = {}

    def validate(model: JointModel) -> float:
        step = model.index.step
        kept[step] = {name: value.clone() for name, value in model.state_dict().items()}
        return values.get(step, 1.0)

    training = Training(small, tmp_path)
    model, state = training.go(validate=validate, validate_every=4, patience=2)
    assert (state.step, state.best_step, state.best_value, state.stopped) == (28, 28, [0.9], True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, kept[28][name]), name
    assert 40 not in kept
    # A finished run stays finished.
    again, state = training.go(validate=validate, validate_every=4, patience=2)
    assert state.step == 28
    assert_same(model, again)


def test_twin_follows_the_same_schedule_and_stops_where_it_is_told(small, tmp_path):
    whole, _ = Training(small, tmp_path / "a", spec="").go(until=24)
    assert Checkpoints(tmp_path / "a", {}, resume=True).steps()[-1] == 24
    joint, _ = Training(small, tmp_path / "b").go(until=20)
    twin, _ = Training(small, tmp_path / "c", spec="").go(until=20)
    # Up to the warm start the two are one and the same, but for the rounding of one normalisation more.
    for name, value in twin.towers.state_dict().items():
        torch.testing.assert_close(value, joint.towers.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert not torch.equal(whole.towers.query.recency, twin.towers.query.recency)


@pytest.mark.parametrize("name", ["steps", "validate_every", "patience"])
def test_numbers_below_one_are_refused(small, tmp_path, name):
    with pytest.raises(ValueError, match=rf"{name} \(=0\) must be at least 1"):
        Training(small, tmp_path).go(**{name: 0})

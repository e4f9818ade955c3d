from __future__ import annotations

import os
import signal

import pytest
import torch
from torch import nn

from poeem.training.devices import make_accelerator
from poeem.training.finite import NotFinite
from poeem.training.loop import run_steps
from poeem.training.plan import Plan
from poeem.training.step_output import StepOutput


class Slope(nn.Module):
    """Fits ``w x`` to ``y``, with dropout on ``x``."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.drop = nn.Parameter(torch.zeros(3)), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> StepOutput:
        loss = (self.drop(x) @ self.w - y).square().mean()
        return StepOutput(loss, loss, loss.new_zeros(()))


def batch_at(step: int) -> dict[str, torch.Tensor]:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
    return {"x": x, "y": x.sum(1)}


class FallingPlan(Plan):
    def learning_rate(self, step: int) -> float:
        return 0.1 / (step + 1)


def run(model: nn.Module, steps: int, *, clip: float = 1.0, save_every: int = 100, batches=batch_at, **options) -> int:
    plan = FallingPlan(steps, clip=clip, checkpoint_every=save_every)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return run_steps(model, optimizer, batches, plan, accelerator=make_accelerator("cpu"), **options)


def test_is_the_textbook_loop():
    model, slow = Slope().eval(), torch.zeros(3, dtype=torch.float64)
    assert run(model, 5, clip=0.5) == 5
    for step in range(5):
        x, y = (value.double() for value in batch_at(step).values())
        gradient = 2 * x.T @ (x @ slow - y) / len(y)
        slow -= 0.1 / (step + 1) * gradient * min(1, 0.5 / float(gradient.norm()))
    torch.testing.assert_close(model.w.detach().double(), slow, rtol=1e-4, atol=1e-6)


def test_steps_do_not_depend_on_where_they_began_nor_on_what_ran_between():
    whole, halves = Slope(), Slope()
    run(whole, 6)
    run(halves, 2)
    torch.rand(5)
    run(halves, 6, start=2)
    assert torch.equal(whole.w, halves.w)


def test_calls_come_in_order_and_may_end_the_run():
    seen, saved = [], []
    done = run(
        Slope(),
        9,
        before_step=lambda step: seen.append(("before", step)),
        after_step=lambda step, out: seen.append(("after", step)) or step == 3,
        save=saved.append,
        save_every=2,
    )
    assert done == 3
    assert seen == [(when, step + (when == "after")) for step in range(3) for when in ("before", "after")]
    assert saved == [2, 3]


def test_nothing_is_saved_once_the_loss_is_no_number():
    saved = []

    def poisoned(step: int) -> dict[str, torch.Tensor]:
        return {name: value * (float("nan") if step == 5 else 1) for name, value in batch_at(step).items()}

    with pytest.raises(NotFinite, match=r"not finite at step 5: .* lower lr"):
        run(Slope(), 9, batches=poisoned, save=saved.append, save_every=1)
    assert saved == [1, 2, 3, 4, 5]


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_ctrl_c_ends_the_step_and_saves_it():
    saved = []

    def interrupt(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(Slope(), 9, before_step=interrupt, save=saved.append)
    assert saved == [4]

"""The training loop: forward, backward and optimizer step, with checkpoints and Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from poeem.training.finite import FiniteGuard, divergence_as_not_finite
from poeem.training.interrupts import interrupt_flag
from poeem.training.plan import Plan
from poeem.training.seeds import seed_step
from poeem.training.step_output import StepOutput

if TYPE_CHECKING:
    from accelerate import Accelerator


def run_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch_at: Callable[[int], Mapping[str, Tensor]],
    plan: Plan,
    *,
    accelerator: Accelerator,
    start: int = 0,
    before_step: Callable[[int], None] | None = None,
    after_step: Callable[[int, StepOutput], bool] | None = None,
    save: Callable[[int], object] | None = None,
) -> int:
    """Run the steps of a plan. A step depends only on its number, the model and the optimizer.

    Args:
        model, optimizer: as returned by ``accelerator.prepare``; the model is called with a batch and returns a
            ``StepOutput``.
        batch_at: called with the step; returns this process's part of the batch.
        plan: last step, learning rates, clipping, seed, steps between checkpoints.
        accelerator: device, processes, precision.
        start: number of steps already done.
        before_step: called with the step, from 0.
        after_step: called with the number of steps done and the output; the run ends if it returns True.
        save: writes a checkpoint; called with the number of steps done: regularly, at the end, and on Ctrl-C.
    Returns:
        the number of steps done.
    Raises:
        NotFinite: loss or gradient is NaN or infinite; no later checkpoint is written.
        KeyboardInterrupt: Ctrl-C, after the step and its checkpoint are done.
    """
    guard = FiniteGuard(accelerator.device)
    scales_loss = accelerator.scaler is not None
    step = start

    def checkpoint() -> None:
        guard.check()
        if save is not None:
            save(step)

    with interrupt_flag() as interrupted:
        while step < plan.last_step:
            if before_step is not None:
                with divergence_as_not_finite(step):
                    before_step(step)
            seed_step(plan.seed, step, accelerator.process_index)
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate(step) * group.get("lr_factor", 1.0)
            batch = {name: tensor.to(accelerator.device) for name, tensor in batch_at(step).items()}
            with divergence_as_not_finite(step):
                output = model(**batch)
            accelerator.backward(output.loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), plan.clip)
            # Under float16 infinite gradients are usual, and the scaler skips such a step.
            guard.note(step, output.loss, None if scales_loss else norm)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            output = StepOutput(*(value.detach() for value in output))
            with divergence_as_not_finite(step):
                if after_step is not None and after_step(step, output):
                    break
            if interrupted.is_set() and step < plan.last_step:
                # With several processes the others may be a step ahead: they resume from the last checkpoint.
                if accelerator.num_processes == 1:
                    checkpoint()
                raise KeyboardInterrupt
            if step % plan.save_every == 0 and step < plan.last_step:
                checkpoint()
    checkpoint()
    return step

"""The training loop: forward, backward, step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from poeem.training.finite import FiniteGuard
from poeem.training.interrupts import interrupt_flag
from poeem.training.model import StepOutput
from poeem.training.seeds import seed_step

if TYPE_CHECKING:
    from accelerate import Accelerator

# Told the number of steps done and the last step's output; says whether to stop.
AfterStep = Callable[[int, StepOutput], "bool | None"]


def run_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch_at: Callable[[int], Mapping[str, Tensor]],
    *,
    accelerator: Accelerator,
    start: int,
    steps: int,
    learning_rate: Callable[[int], float],
    seed: int,
    clip: float = 1.0,
    before_step: Iterable[Callable[[int], None]] = (),
    after_step: Iterable[AfterStep] = (),
    save: Callable[[int], object] | None = None,
    save_every: int = 500,
) -> int:
    """Steps ``start`` to ``steps``, each a pure function of what the model and the optimizer hold and of its number.

    Args:
        model, optimizer: as ``accelerator.prepare`` gave them; the model is called with a batch and returns a
            ``StepOutput``.
        batch_at: the batch of a step, this process's part.
        accelerator: device, processes, precision.
        start, steps: steps already done, and steps of the whole run.
        learning_rate: of a step; a parameter group may carry an ``lr_factor`` to it.
        seed: of everything drawn within a step.
        clip: largest norm of the gradient.
        before_step: called with the step, from 0.
        after_step: called with the number of steps done and the output; any that returns True ends the run.
        save: writes a checkpoint of so many steps; called every ``save_every`` steps, at the end, and on Ctrl-C.
        save_every: steps.
    Returns:
        steps done.
    Raises:
        NotFinite: loss or gradient is NaN or infinite; no checkpoint is written from there on.
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
        while step < steps:
            for call in before_step:
                call(step)
            seed_step(seed, step, accelerator.process_index)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step) * group.get("lr_factor", 1.0)
            batch = {name: tensor.to(accelerator.device) for name, tensor in batch_at(step).items()}
            output = model(**batch)
            accelerator.backward(output.loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), clip)
            # Under float16 an infinite gradient is the scaler's daily bread: it skips the step by itself.
            guard.note(step, output.loss, None if scales_loss else norm)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            output = StepOutput(*(value.detach() for value in output))
            stop = [call(step, output) for call in after_step]
            if any(stop):
                break
            if interrupted.is_set() and step < steps:
                # With several processes the others may be a step away: there the last checkpoint has to do.
                if accelerator.num_processes == 1:
                    checkpoint()
                raise KeyboardInterrupt
            if step % save_every == 0 and step < steps:
                checkpoint()
    checkpoint()
    return step

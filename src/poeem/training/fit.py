"""One model's whole training: the loop with warm start, validation, early stopping, checkpoints and resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from poeem.data.batches import TrainingBatches
from poeem.training.checkpoints import Checkpoints
from poeem.training.fixed_codes import FixedCodes
from poeem.training.loop import run_steps
from poeem.training.model import JointModel, StepOutput
from poeem.training.optimizer import make_optimizer
from poeem.training.progress import progress_bar
from poeem.training.schedule import learning_rate
from poeem.training.tower_vectors import evaluating, item_vectors

if TYPE_CHECKING:
    from accelerate import Accelerator

LOG_EVERY = 50


@dataclass
class FitState:
    """What a run knows beside weights and optimizer; goes into every checkpoint.

    Args:
        step: steps done.
        seconds: wall time of the steps, over all restarts.
        warm_start_seconds: wall time of the warm start, within ``seconds``.
        best_step, best_value: of the best validation so far, once the index quantizes.
        rounds: validations since then.
        stopped: whether early stopping has ended the run.
    """

    step: int = 0
    seconds: float = 0.0
    warm_start_seconds: float = 0.0
    best_step: int | None = None
    best_value: float | None = None
    rounds: int = 0
    stopped: bool = False


def fit(
    model: JointModel,
    batches: TrainingBatches,
    *,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    steps: int,
    until: int | None = None,
    lr: float,
    weight_decay: float = 0.0,
    decay: str = "linear",
    index_lr: float = 1.0,
    seed: int = 0,
    warm_start_items: np.ndarray | None = None,
    warm_start_step: int | None = None,
    validate: Callable[[JointModel], float] | None = None,
    validate_every: int | None = None,
    patience: int | None = None,
    checkpoint_every: int | None = None,
    before_step: Iterable[Callable[[int], None]] = (),
    title: str = "training",
    show: bool = True,
) -> FitState:
    """Train a model in place; goes on from the last checkpoint if there is one.

    Args:
        model: towers, index (or none) and loss.
        batches: training batches.
        accelerator: device, processes, precision, trackers.
        checkpoints: where checkpoints go and come from.
        steps: length of the schedule.
        until: steps to do; default all. For a second model that is to have the steps of one that was stopped early.
        lr, weight_decay, decay: of AdamW and its schedule.
        index_lr: factor on ``lr`` for the index.
        seed: of everything drawn within a step.
        warm_start_items: item numbers whose vectors the index is fitted to.
        warm_start_step: before which step; default at half of the steps. Hard negatives are mined from there on too, by
            a model without an index as well: before, the rankings are still those of a model that knows little.
        validate: of a model, larger is better.
        validate_every: steps between two validations; default an epoch, but 20 validations at most.
        patience: validations without gain after which to stop; the model then is the best one. Default: never.
        checkpoint_every: steps; default 1/20 of the run, at least 50.
        before_step: called with the step, from 0, after a warm start that is due before it.
        title, show: of the progress bar.
    Returns:
        the state at the end; ``step`` is the step of the weights that ``model`` has.
    Raises:
        ValueError: a number is out of range.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    for name, value in (("steps", steps), ("validate_every", validate_every), ("patience", patience)):
        if value is not None and value < 1:
            raise ValueError(f"{name} (={value}) must be at least 1")
    until = steps if until is None else until
    validate_every = validate_every or max(batches.steps_per_epoch, -(-steps // 20))
    warm_start_step = steps // 2 if warm_start_step is None else warm_start_step
    raw_optimizer = make_optimizer(model, lr=lr, weight_decay=weight_decay, index_lr=index_lr)
    learning_rate(0, steps, peak=lr, decay=decay)
    # Nothing is written before every argument has been looked at.
    checkpoints.begin()
    wrapped, optimizer = accelerator.prepare(model, raw_optimizer)
    model.train()

    state = FitState()
    if checkpoints.steps():
        state = FitState(**checkpoints.load(checkpoints.steps()[-1], model, raw_optimizer))
    started = time.perf_counter() - state.seconds

    def save(step: int) -> None:
        state.step, state.seconds = step, time.perf_counter() - started
        if accelerator.is_main_process:
            checkpoints.save(step, model, raw_optimizer, asdict(state))
        accelerator.wait_for_everyone()

    def warm_start(step: int) -> None:
        if model.index is None or warm_start_items is None or step != warm_start_step:
            return
        began = time.perf_counter()
        # Every process fits its own share; the index gathers them.
        share = warm_start_items[accelerator.process_index :: accelerator.num_processes]
        model.index.warm_start(torch.from_numpy(item_vectors(model, share)).to(accelerator.device))
        if isinstance(model.kept, FixedCodes):
            vectors = torch.from_numpy(item_vectors(model, np.arange(len(model.log_q))))
            model.kept.take(model.index, vectors.to(accelerator.device))
        state.warm_start_seconds = time.perf_counter() - began
        progress.note(f"step {step}: the index is warm-started on {len(warm_start_items)} items")

    def refresh(step: int) -> None:
        mining = model.hard_negatives
        if mining is None or step < warm_start_step:
            return
        mining.active = True
        if (step - warm_start_step) % mining.every == 0:
            with evaluating(model):
                mining.refresh(model.scored_vectors, step)

    def validated(step: int, output: StepOutput) -> bool:
        if validate is None or (step % validate_every and step != until):
            return False
        value = _from_main(validate(model) if accelerator.is_main_process else 0.0)
        progress.note(f"step {step}: validation ndcg@10 {value:.4f}")
        accelerator.log({"validation/ndcg@10": value}, step=step)
        # Before the warm start there is no index to choose.
        if model.index is not None and not model.index.ready:
            return False
        if state.best_value is None or value > state.best_value:
            state.best_step, state.best_value, state.rounds = step, value, 0
            save(step)
        else:
            state.rounds += 1
        state.stopped = patience is not None and state.rounds >= patience
        return state.stopped

    def shown(step: int, output: StepOutput) -> None:
        progress.update(step, output, model)
        if accelerator.trackers and step % LOG_EVERY == 0:
            accelerator.log(_facts(output, model, raw_optimizer), step=step)

    with progress_bar(title, until, start=state.step, show=show and accelerator.is_main_process) as progress:
        if not state.stopped:
            run_steps(
                wrapped,
                optimizer,
                lambda step: batches.batch(step, accelerator.process_index, accelerator.num_processes),
                accelerator=accelerator,
                start=state.step,
                steps=until,
                learning_rate=lambda step: learning_rate(step, steps, peak=lr, decay=decay),
                seed=seed,
                before_step=[warm_start, refresh, *before_step],
                after_step=[shown, validated],
                save=save,
                save_every=checkpoint_every or max(50, steps // 20),
            )
    if patience is not None and state.best_step is not None and state.best_step != state.step:
        checkpoints.load(state.best_step, model)
        state.step = state.best_step
    return state


def _from_main(value: float) -> float:
    """The main process's value on every process: all must decide alike."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


def _facts(output: StepOutput, model: JointModel, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    facts = {f"training/{name}": float(value) for name, value in output._asdict().items()}
    facts["training/lr"] = optimizer.param_groups[0]["lr"]
    if model.index is not None and model.index.ready:
        facts |= {f"index/{name}": value for name, value in model.index.usage().items()}
    if model.hard_negatives is not None and model.hard_negatives.active:
        facts["training/mining_time_share"] = model.hard_negatives.time_share
    return facts

"""Training of any model: the loop with validation, early stopping, checkpoints and resuming."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from poeem.training.finite import NotFinite
from poeem.training.history import ROWS, History
from poeem.training.loop import run_steps
from poeem.training.plan import Plan
from poeem.training.progress import progress_bar
from poeem.training.step_output import StepOutput

if TYPE_CHECKING:
    from accelerate import Accelerator

LOG_EVERY = 50


class Batches(Protocol):
    """Protocol of training batches. A batch depends on its step only."""

    @property
    def steps_per_epoch(self) -> int: ...

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Mapping[str, Tensor]: ...


class CheckpointStore(Protocol):
    """Protocol of an object that stores checkpoints and figures by step: ``Checkpoints``, or ``BestInMemory``."""

    @property
    def history(self) -> History: ...

    def begin(self) -> None: ...

    def remove_if_empty(self) -> None: ...

    def steps(self) -> list[int]: ...

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> Any: ...

    def load(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]: ...


class Validation(NamedTuple):
    """The result of a validation.

    Args:
        value: figures by which models are compared, larger is better; later ones decide if earlier ones are equal.
        text: line for progress.
        figures: figures for trackers, by name.
        counts: whether the model may become the best one; False before the warm start of its index.
    """

    value: tuple[float, ...]
    text: str
    figures: Mapping[str, float] = {}
    counts: bool = True


@dataclass
class TrainState:
    """The state of a training besides weights and optimizer. Every checkpoint stores it.

    Args:
        step: number of steps done.
        seconds: wall time of all steps, restarts included.
        warm_start_seconds: wall time of the warm start, a part of ``seconds``.
        best_step, best_value: step and value of the best validation so far.
        rounds: number of validations since the best one.
        stopped: whether early stopping has ended the training.
    """

    step: int = 0
    seconds: float = 0.0
    warm_start_seconds: float = 0.0
    best_step: int | None = None
    best_value: list[float] | None = None
    rounds: int = 0
    stopped: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> TrainState:
        """Make the state from the JSON values that a checkpoint stored.

        Raises:
            ValueError: a field is missing, unknown or of another type.
        """
        for name, types in _STATE_TYPES.items():
            # Types are compared exactly: a bool is an int too.
            value = stored.get(name, "missing")
            numbers = value if isinstance(value, list) else []
            if type(value) not in types or not all(type(number) in (int, float) for number in numbers):
                raise ValueError(f"the checkpoint's state has {name}={value!r}; delete that checkpoint")
        unknown = sorted(set(stored) - set(_STATE_TYPES))
        if unknown:
            raise ValueError(f"the checkpoint's state has an unknown field {unknown[0]!r}; delete that checkpoint")
        return cls(**stored)


# The types that a checkpoint's JSON may give each field of `TrainState`.
_STATE_TYPES = {
    "step": (int,),
    "seconds": (int, float),
    "warm_start_seconds": (int, float),
    "best_step": (int, type(None)),
    "best_value": (list, type(None)),
    "rounds": (int,),
    "stopped": (bool,),
}

# Called with the step, from 0, and the state; returns a line for progress, or None.
BeforeStep = Callable[[int, TrainState], "str | None"]


def train_model(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    plan: Plan,
    *,
    accelerator: Accelerator,
    checkpoints: CheckpointStore,
    validate: Callable[[int], Validation] | None = None,
    before_step: Iterable[BeforeStep] = (),
    facts: Callable[[], Mapping[str, float]] | None = None,
    progress_title: str | None = "training",
) -> TrainState:
    """Train a model in place, and resume from the last checkpoint if there is one.

    Args:
        model: called with a batch, returns a ``StepOutput``.
        optimizer: optimizer of its parameters.
        batches: training batches.
        plan: length, learning rate, validation, checkpoints.
        accelerator: device, processes, precision, trackers.
        checkpoints: where checkpoints are stored.
        validate: called with the number of steps done, on the main process.
        before_step: functions called in order before each step.
        facts: returns further figures for trackers.
        progress_title: title of the progress bar; None shows nothing.
    Returns:
        the state at the end; ``step`` is that of the weights in ``model``.
    Raises:
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    checkpoints.begin()
    history = checkpoints.history
    wrapped, prepared = accelerator.prepare(model, optimizer)
    model.train()
    state = TrainState()
    if checkpoints.steps():
        state = TrainState.of(checkpoints.load(checkpoints.steps()[-1], model, optimizer))
    started = time.perf_counter() - state.seconds
    if accelerator.is_main_process:
        history.begin(state.step)
    record_every = max(1, plan.last_step // ROWS)
    validate_every = plan.validate_every or max(batches.steps_per_epoch, -(-plan.steps // 20))

    def save(step: int) -> None:
        state.step, state.seconds = step, time.perf_counter() - started
        if accelerator.is_main_process:
            checkpoints.save(step, model, optimizer, asdict(state))
        accelerator.wait_for_everyone()

    def run_validation(step: int) -> bool:
        result = _from_main(validate(step) if validate and accelerator.is_main_process else None)
        progress.note(f"step {step}: {result.text}")
        accelerator.log(dict(result.figures), step=step)
        if accelerator.is_main_process:
            history.add(step, result.figures)
        if not result.counts:
            return False
        if state.best_value is None or list(result.value) > state.best_value:
            state.best_step, state.best_value, state.rounds = step, list(result.value), 0
            save(step)
        else:
            state.rounds += 1
        state.stopped = plan.patience is not None and state.rounds >= plan.patience
        return state.stopped

    def prepare_step(step: int) -> None:
        for call in before_step:
            note = call(step, state)
            if note is not None:
                progress.note(f"step {step}: {note}")

    def figures_of(output: StepOutput) -> dict[str, float]:
        shown = {f"training/{name}": float(value) for name, value in output._asdict().items()}
        return {**shown, "training/lr": optimizer.param_groups[0]["lr"], **(facts() if facts else {})}

    def after_step(step: int, output: StepOutput) -> bool:
        progress.update(step, output, model)
        if accelerator.trackers and step % LOG_EVERY == 0:
            accelerator.log(figures_of(output), step=step)
        if accelerator.is_main_process and (step % record_every == 0 or step == plan.last_step):
            history.add(step, figures_of(output))
        due = step % validate_every == 0 or step == plan.last_step
        return validate is not None and due and run_validation(step)

    try:
        show = progress_title is not None and accelerator.is_main_process
        with progress_bar(progress_title or "", plan.last_step, start=state.step, show=show) as progress:
            if plan.validate_first and state.step == 0:
                run_validation(0)
            if not state.stopped:
                run_steps(
                    wrapped,
                    prepared,
                    lambda step: batches.batch(step, accelerator.process_index, accelerator.num_processes),
                    plan,
                    accelerator=accelerator,
                    start=state.step,
                    before_step=prepare_step,
                    after_step=after_step,
                    save=save,
                )
    except NotFinite:
        if accelerator.is_main_process:
            checkpoints.remove_if_empty()
        raise
    if plan.patience is not None and state.best_step is not None and state.best_step != state.step:
        checkpoints.load(state.best_step, model)
        state.step = state.best_step
    return state


def _from_main(result: Any) -> Any:
    """The object of the main process, on every process: all must come to the same decision."""
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([result])[0]

"""The progress bar of a training, on stderr; plain lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from poeem.training.model import JointModel, StepOutput

REDRAWS_PER_SECOND = 4
PLAIN_LINES = 10


class SilentProgress:
    """Says nothing."""

    def update(self, step: int, output: StepOutput, model: JointModel) -> None:
        """After a step; ``step`` counts from 1."""

    def note(self, text: str) -> None:
        """A line that stays."""


class PlainProgress(SilentProgress):
    """A line now and then, for log files."""

    def __init__(self, title: str, steps: int) -> None:
        self._title, self._steps = title, steps
        self._every = max(1, steps // PLAIN_LINES)

    def update(self, step: int, output: StepOutput, model: JointModel) -> None:
        if step % self._every == 0 or step == self._steps:
            self.note(f"step {step}/{self._steps}  {describe(output, model)}")

    def note(self, text: str) -> None:
        print(f"{self._title}: {text}", file=sys.stderr, flush=True)


class BarProgress(SilentProgress):
    """A bar with loss, distortion, codebook perplexity and the time that is left."""

    def __init__(self, bar, task, steps: int) -> None:
        self._bar, self._task, self._steps, self._drawn = bar, task, steps, 0.0

    def update(self, step: int, output: StepOutput, model: JointModel) -> None:
        now = time.monotonic()
        # Reading the loss makes the host wait for an accelerator: only when something is drawn.
        if now - self._drawn < 1 / REDRAWS_PER_SECOND and step < self._steps:
            return
        self._drawn = now
        self._bar.update(self._task, completed=step, facts=describe(output, model))

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


@contextmanager
def progress_bar(title: str, steps: int, *, start: int = 0, show: bool = True) -> Iterator[SilentProgress]:
    """Progress of ``steps`` steps, of which ``start`` are done."""
    if not show:
        yield SilentProgress()
        return
    if not sys.stderr.isatty():
        yield PlainProgress(title, steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=REDRAWS_PER_SECOND) as bar:
        yield BarProgress(bar, bar.add_task(title, total=steps, completed=start, facts=""), steps)


def describe(output: StepOutput, model: JointModel) -> str:
    """``loss 3.21  distortion 0.048  perplexity 211``, and ``mining 12%, 85 MB`` of time and memory."""
    said = f"loss {float(output.loss):.3f}"
    if model.index is not None and model.index.ready:
        usage = model.index.usage()
        said += f"  distortion {float(output.distortion):.4f}  perplexity {usage['perplexity']:.0f}"
    mining = getattr(model, "hard_negatives", None)
    if mining is not None and mining.active:
        said += f"  mining {mining.time_share:.0%}, {mining.memory / 1e6:.0f} MB"
    return said

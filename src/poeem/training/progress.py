"""Progress of a training on stderr: a bar on a terminal, else lines with elapsed and remaining time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch import nn

from poeem.training.step_output import StepOutput

REDRAWS_PER_SECOND = 4
PLAIN_LINES = 10


class SilentProgress:
    """Progress that prints nothing."""

    def update(self, step: int, output: StepOutput, model: nn.Module) -> None:
        """Report a step; ``step`` counts from 1."""

    def note(self, text: str) -> None:
        """Print a line that stays."""


class PlainProgress(SilentProgress):
    """Progress as lines for log files, about ten in all.

    Args:
        title: begins each line.
        steps: steps of the whole training.
        start: steps that are already done.
    """

    def __init__(self, title: str, steps: int, start: int = 0) -> None:
        self._title, self._steps, self._start = title, steps, start
        self._every = max(1, steps // PLAIN_LINES)
        self._started = time.monotonic()

    def update(self, step: int, output: StepOutput, model: nn.Module) -> None:
        if step % self._every == 0 or step == self._steps:
            elapsed = time.monotonic() - self._started
            remaining = elapsed / max(step - self._start, 1) * (self._steps - step)
            self.note(
                f"step {step}/{self._steps}  {describe(output, model)}  "
                f"elapsed {_clock(elapsed)}, remaining {_clock(remaining)}"
            )

    def note(self, text: str) -> None:
        print(f"{self._title}: {text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(3725.4)
    '1:02:05'
    """
    return str(timedelta(seconds=round(seconds)))


class BarProgress(SilentProgress):
    """Progress as a bar with loss, distortion, codebook perplexity, elapsed and remaining time."""

    def __init__(self, bar, task, steps: int) -> None:
        self._bar, self._task, self._steps, self._redrawn_at = bar, task, steps, 0.0

    def update(self, step: int, output: StepOutput, model: nn.Module) -> None:
        now = time.monotonic()
        # Reading the loss makes the host wait for an accelerator, so it is read only when the bar is redrawn.
        if now - self._redrawn_at < 1 / REDRAWS_PER_SECOND and step < self._steps:
            return
        self._redrawn_at = now
        self._bar.update(self._task, completed=step, facts=describe(output, model))

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


@contextmanager
def progress_bar(title: str, steps: int, *, start: int = 0, show: bool = True) -> Iterator[SilentProgress]:
    """Show the progress of a training of ``steps`` steps, of which ``start`` are already done.

    Yields:
        an object with ``update`` and ``note``.
    """
    if not show:
        yield SilentProgress()
        return
    if not sys.stderr.isatty():
        yield PlainProgress(title, steps, start)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=REDRAWS_PER_SECOND) as bar:
        yield BarProgress(bar, bar.add_task(title, total=steps, completed=start, facts=""), steps)


def describe(output: StepOutput, model: nn.Module) -> str:
    """Describe a step in one line: ``loss 3.21  distortion 0.048  perplexity 211``; with hard negatives also their time
    and memory.
    """
    text = f"loss {float(output.loss):.3f}"
    index = getattr(model, "index", None)
    if index is not None and index.ready:
        usage = index.usage()
        text += f"  distortion {float(output.distortion):.4f}  perplexity {usage['perplexity']:.0f}"
    mining = getattr(model, "hard_negatives", None)
    if mining is not None and mining.active:
        text += f"  mining {mining.time_share:.0%}, {mining.memory / 1e6:.0f} MB"
    return text

"""Phase: the training steps so far, whether the index quantizes yet, and the vectors collected for the warm start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.layers.usage import Usage
from poeem.layers.warm_start import RowBuffer

# The step is stored as two float32 numbers, high * 2^16 + low: one float32 is exact up to 2^24 only.
_LOW_STEPS = 2**16
# From here on an average counts as ready. Weights that add up to 1 may round to a little less; a model of before the
# warm start that has a thousandth of the weight does no harm.
_READY = 0.999
# Entries of a state dict that are no buffers.
_COUNTS = ("collected", "codeword_counts", "list_counts", "batches")
# Their names, and the name of the buffer, in state dicts of before the phase was a module.
_OLD_NAMES = ("progress", "collected", "used_words", "used_lists")


class Phase(nn.Module):
    """The phase of an index: warming up, collecting vectors, or ready.

    ``progress`` is a float32 buffer, so that averages of weights (``AveragedModel``, EMA, means of state dicts) include
    it: the average of ready models is ready, and an average across the warm start is not.

    The counts of usage and the collected vectors are no buffers, because DDP would overwrite those of every process by
    those of the first. State dicts hold them as integers (of the vectors, the bits of float32). If a state dict has
    floating-point numbers in their place, it is an average: counts are then rounded, and vectors are dropped, because a
    mean of vectors is no sample.

    Args:
        dim: width of the vectors.
        warmup_steps: training forwards before vectors are collected.
        buffer_rows: vectors to collect, over all processes.
        usage: counts of codewords and lists.
    """

    progress: Tensor

    def __init__(self, dim: int, warmup_steps: int, buffer_rows: int, usage: Usage) -> None:
        super().__init__()
        self.dim, self.warmup_steps, self.buffer_rows, self.usage = dim, warmup_steps, buffer_rows, usage
        self.register_buffer("progress", torch.zeros(3))  # ready, high part of the step, low part of the step
        self._rows = RowBuffer(dim, buffer_rows)
        self._ready_at_eval = False

    @property
    def step(self) -> int:
        """Number of training forward passes so far."""
        return self._read()[1]

    @property
    def ready(self) -> bool:
        """Whether the index has been warm-started, so that it quantizes."""
        return self._read()[0]

    @compile_guard
    def is_ready(self) -> bool:
        """Return ``ready``. Unlike the property it may be called while the index is compiled or exported."""
        # An exporter gives buffers without values.
        return self._ready_at_eval if is_exporting() else self.ready

    def set_(self, *, step: int | None = None, ready: bool | None = None) -> None:
        """Replace the step, the readiness or both."""
        old_ready, old_step = self._read()
        step, ready = old_step if step is None else step, old_ready if ready is None else ready
        high, low = divmod(step, _LOW_STEPS)
        self.progress.copy_(torch.tensor([float(ready), high, low]))
        self._remember()

    def count_step(self) -> bool:
        """Count a training forward pass, and return whether the index is ready."""
        ready, step = self._read()
        self.set_(step=step + 1)
        return ready

    def collect(self, x: Tensor) -> Tensor | None:
        """Collect the vectors of a step, if the warm-up is over.

        Args:
            x: float32, ``(n, dim)``.
        Returns:
            the sample ``(rows, dim)`` of this process once it is complete, else None.
        """
        ready, step = self._read()
        if ready or step < self.warmup_steps:
            return None
        self._rows.add(x)
        if not self._rows.full():
            return None
        sample, self._rows = self._rows.rows(), RowBuffer(self.dim, self.buffer_rows)
        return sample

    def train(self, mode: bool = True) -> Phase:
        super().train(mode)
        self._remember()
        return self

    def _read(self) -> tuple[bool, int]:
        ready, high, low = self.progress.tolist()
        return ready >= _READY, round(high * _LOW_STEPS) + round(low)

    def _remember(self) -> None:
        """Keep the readiness for an export, which cannot read it."""
        self._ready_at_eval = not self.progress.is_meta and self.ready

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Phase:
        progress = self.progress
        super()._apply(fn, recurse)
        if self.progress.dtype != progress.dtype:  # steps do not fit into 16 bits
            self.progress = progress.to(self.progress.device)
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        entries = (
            self._rows.rows().view(torch.int32).clone(),
            self.usage.codewords.clone(),
            self.usage.lists.clone(),
            torch.tensor(self.usage.batches),
        )
        destination.update((prefix + name, entry) for name, entry in zip(_COUNTS, entries))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        entries = {name: state_dict.pop(prefix + name) for name in _COUNTS if prefix + name in state_dict}
        super()._load_from_state_dict(state_dict, prefix, *args)
        missing_keys: list[str] = args[2]
        missing = [prefix + name for name in _COUNTS if name not in entries]
        missing_keys.extend(missing)
        if not missing:
            rows = entries["collected"].to(self.progress.device)
            rows = rows[:0].float() if rows.is_floating_point() else rows.view(torch.float32)
            self._rows = RowBuffer(self.dim, self.buffer_rows, rows.clone())
            self.usage.codewords, self.usage.lists, batches = (_whole(entries[name]) for name in _COUNTS[1:])
            self.usage.batches = int(batches)
        self._remember()


def convert_old_state(state_dict: dict[str, Any], prefix: str) -> None:
    """Rename the entries of a state dict that was saved before `Phase` was a module, in place.

    Args:
        state_dict: of a model with an index.
        prefix: the index's prefix in it.
    """
    if prefix + "progress" not in state_dict:
        return
    progress, rows, codewords, lists = (state_dict.pop(prefix + name, None) for name in _OLD_NAMES)
    step, ready, batches = (float(number) for number in progress)
    averaged = progress.is_floating_point()
    high, low = divmod(round(step), _LOW_STEPS)
    state_dict[f"{prefix}phase.progress"] = torch.tensor([ready, high, low])
    if rows is not None:
        rows = rows.float()
        state_dict[f"{prefix}phase.collected"] = rows[:0] if averaged else rows.contiguous().view(torch.int32)
    if codewords is not None and lists is not None:
        state_dict[f"{prefix}phase.codeword_counts"], state_dict[f"{prefix}phase.list_counts"] = codewords, lists
        state_dict[f"{prefix}phase.batches"] = torch.tensor(round(batches))


def _whole(counts: Tensor) -> Tensor:
    """Counts as integers, in a tensor of their own."""
    return counts.round().to(torch.int64) if counts.is_floating_point() else counts.clone()

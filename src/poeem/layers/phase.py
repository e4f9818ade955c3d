"""Where the layer stands in its phases, and how that is saved: a resumed run continues exactly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poeem.layers.usage import Usage
from poeem.layers.warm_start import RowBuffer

_NAMES = ("progress", "collected", "used_words", "used_lists")


class Progress:
    """Steps so far, vectors collected, and what has been used of late.

    None of it is a buffer of the module: DDP would overwrite every process's counts and vectors by those of the first.

    Args:
        dim: width of the vectors.
        warmup_steps: training forwards before vectors are collected.
        buffer_rows: vectors collected, over all processes.
        usage: counts of words and lists.
    """

    def __init__(self, dim: int, warmup_steps: int, buffer_rows: int, usage: Usage) -> None:
        self.dim, self.warmup_steps, self.buffer_rows = dim, warmup_steps, buffer_rows
        self.step, self.ready, self.usage = 0, False, usage
        self._buffer = RowBuffer(dim, buffer_rows)

    def collect(self, x: Tensor) -> Tensor | None:
        """Keep the vectors ``(n, dim)`` of a step if the phase is theirs; the sample once it is complete, else None."""
        if self.ready or self.step < self.warmup_steps:
            return None
        self._buffer.add(x)
        if not self._buffer.full():
            return None
        sample, self._buffer = self._buffer.rows(), RowBuffer(self.dim, self.buffer_rows)
        return sample

    def state(self, prefix: str) -> dict[str, Tensor]:
        """Entries of a state dict."""
        counts = torch.tensor([self.step, int(self.ready), self.usage.batches])
        entries = (counts, self._buffer.rows().clone(), self.usage.words.clone(), self.usage.lists.clone())
        return {prefix + name: entry for name, entry in zip(_NAMES, entries)}

    @staticmethod
    def take_out(state_dict: dict[str, Any], prefix: str) -> dict[str, Any]:
        """Remove our entries from a state dict: torch would call what is no parameter or buffer unexpected."""
        return {name: state_dict.pop(prefix + name) for name in _NAMES if prefix + name in state_dict}

    def load(self, entries: dict[str, Any], device: torch.device) -> list[str]:
        """Continue from entries taken out; the names that are missing, in which case nothing is changed."""
        missing = [name for name in _NAMES if name not in entries]
        if not missing:
            self.step, self.ready = int(entries["progress"][0]), bool(entries["progress"][1])
            self._buffer = RowBuffer(self.dim, self.buffer_rows, entries["collected"].to(device).float())
            self.usage.words, self.usage.lists = entries["used_words"].clone(), entries["used_lists"].clone()
            self.usage.batches = int(entries["progress"][2])
        return missing

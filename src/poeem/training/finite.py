"""Watching for a loss or a gradient that is no longer a number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from poeem.layers.checks import NotFiniteRows


class NotFinite(ValueError):
    """Training has diverged."""


class FiniteGuard:
    """Remembers the first step with a loss or gradient norm that is NaN or infinite.

    On an accelerator, looking at every step would make the host wait for it; so a step is noted on the device, and
    ``check`` looks, before anything is written.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), 2**62, dtype=torch.int64, device=device)
        self._on_cpu = device.type == "cpu"

    def note(self, step: int, *values: Tensor | None) -> None:
        """Note the values of a step; on a CPU, where looking is free, ``check`` at once."""
        for value in values:
            if value is not None:
                here = torch.where(value.detach().isfinite(), 2**62, step)
                self._first = torch.minimum(self._first, here.to(self._first.device))
        if self._on_cpu:
            self.check()

    def check(self) -> None:
        """Raises:
        NotFinite: some step so far was not finite.
        """
        first = int(self._first)
        if first < 2**62:
            raise NotFinite(
                f"loss or gradient is not finite at step {first}: training has diverged; the last checkpoint is from "
                "before. Start again with a lower lr, or a higher temperature"
            )


@contextmanager
def diverging(step: int) -> Iterator[None]:
    """Vectors that are not finite after the first step are no fault of the data.

    Args:
        step: steps done.
    Raises:
        NotFinite: the index has refused its vectors.
    """
    try:
        yield
    except NotFiniteRows as error:
        if step == 0:
            raise
        raise NotFinite(
            f"vectors are not finite after step {step}: training has diverged; start again with a lower lr or a "
            "higher temperature"
        ) from error

"""Detection of a diverged training: a loss, gradient or vector that is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from poeem.layers.checks import NotFiniteRows


class NotFinite(ValueError):
    """Error for a training that has diverged: a loss, gradient or vector is NaN or infinite."""


class FiniteGuard:
    """Remembers the first step with a loss or gradient norm that is NaN or infinite.

    Reading a value from an accelerator makes the host wait. So steps are noted on the device, and ``check`` reads the
    result before a checkpoint is written.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), 2**62, dtype=torch.int64, device=device)
        self._on_cpu = device.type == "cpu"

    def note(self, step: int, *values: Tensor | None) -> None:
        """Note the loss and the gradient norm of a step. On a CPU they are checked at once, because reading is free
        there.
        """
        for value in values:
            if value is not None:
                bad_step = torch.where(value.detach().isfinite(), 2**62, step)
                self._first = torch.minimum(self._first, bad_step.to(self._first.device))
        if self._on_cpu:
            self.check()

    def check(self) -> None:
        """Raise an error if a noted value is not finite.

        Raises:
            NotFinite: the message names the first such step.
        """
        first = int(self._first)
        if first < 2**62:
            raise NotFinite(
                f"loss or gradient is not finite at step {first}: training has diverged. The last checkpoint is "
                "earlier. Start again with a lower lr or a higher temperature"
            )


@contextmanager
def divergence_as_not_finite(step: int) -> Iterator[None]:
    """Turn the index's error for vectors that are not finite into ``NotFinite``, within the block.

    Before the first step such vectors come from the data, and the index's own error is raised.

    Args:
        step: steps done.
    Raises:
        NotFinite: the index refused its vectors.
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

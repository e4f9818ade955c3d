"""StepOutput: what a model returns for a batch."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class StepOutput(NamedTuple):
    """The loss of a training step, and the parts of it that are shown; all scalars."""

    loss: Tensor
    retrieval: Tensor  # nats
    distortion: Tensor  # squared embedding units; 0 before the warm start and without an index

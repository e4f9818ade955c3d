"""StepOutput: the loss of a training step and its parts."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class StepOutput(NamedTuple):
    """What a model returns for a batch: the loss, and the parts of it that progress shows. All are scalars."""

    loss: Tensor
    retrieval: Tensor  # nats
    distortion: Tensor  # squared embedding units; 0 before the warm start and without an index

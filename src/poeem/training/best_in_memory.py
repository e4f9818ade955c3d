"""BestInMemory: the weights of the best validation, for a training that writes no checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from poeem.training.history import History


class BestInMemory:
    """The weights of the best validation, kept in memory in place of ``Checkpoints``. Nothing can be resumed."""

    def __init__(self) -> None:
        self._step, self._weights = -1, {}
        self.history = History()

    def begin(self) -> None:
        """Do nothing: there is no folder to make."""

    def remove_if_empty(self) -> None:
        """Do nothing: there is no folder to delete."""

    def steps(self) -> list[int]:
        """Return no steps: there is nothing to resume from."""
        return []

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Copy the weights if this is the best step."""
        if state.get("best_step") == step != self._step:
            self._step, self._weights = step, copy.deepcopy(model.state_dict())

    def load(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]:
        """Load the weights of the best step."""
        if step != self._step:
            raise ValueError(f"step (={step}) must be the best one (={self._step}); no other is kept")
        model.load_state_dict(self._weights)
        return {}

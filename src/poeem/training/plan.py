"""Plan: length, learning rate, validation and checkpoints of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poeem.training.schedule import DECAYS, learning_rate


@dataclass(frozen=True)
class Plan:
    """Length, learning rate, validation and checkpoints of one training.

    Args:
        steps: length of the learning rate schedule.
        until: step at which training ends; default ``steps``. The float twin of a run that stopped early ends where the
            run did.
        lr, decay: highest learning rate, and how it falls; a parameter group may have an ``lr_factor``.
        weight_decay, index_lr: see ``make_optimizer``.
        clip: largest norm of the gradient.
        seed: seed of everything random within a step.
        warm_start_step: step before which the index is warm-started; default half of the steps.
        validate_every: steps between two validations; default an epoch, but at most 20 validations.
        validate_first: whether to validate before the first step too.
        patience: number of validations without gain after which training stops, with the best model; default never.
        checkpoint_every: steps between two checkpoints; default 1/20 of the run, at least 50.
    Raises:
        ValueError: a count is below 1, or an unknown decay.
    """

    steps: int
    until: int | None = None
    lr: float = 1e-3
    decay: str = "linear"
    weight_decay: float = 0.0
    index_lr: float = 1.0
    clip: float = 1.0
    seed: int = 0
    warm_start_step: int | None = None
    validate_every: int | None = None
    validate_first: bool = False
    patience: int | None = None
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every", "patience", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        if self.decay not in DECAYS:
            raise ValueError(f"decay (={self.decay!r}) must be one of {', '.join(map(repr, DECAYS))}")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], **changes: Any) -> Plan:
        """Make the plan of a run from its settings. Settings of earlier versions may lack ``index_lr`` and
        ``warm_start``.
        """
        names = ("steps", "lr", "decay", "weight_decay", "seed")
        stored = {name: settings[name] for name in names} | {"index_lr": settings.get("index_lr", 1.0)}
        plan = stored | changes
        if settings.get("warm_start") is not None and plan.get("warm_start_step") is None:
            plan["warm_start_step"] = int(settings["warm_start"] * plan["steps"])
        return cls(**plan)

    @property
    def last_step(self) -> int:
        """Number of steps to do."""
        return self.steps if self.until is None else self.until

    @property
    def index_step(self) -> int:
        """Step before which the index is warm-started."""
        return self.steps // 2 if self.warm_start_step is None else self.warm_start_step

    @property
    def save_every(self) -> int:
        """Steps between two checkpoints."""
        return self.checkpoint_every or max(50, self.steps // 20)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step; steps count from 0."""
        return learning_rate(step, self.steps, peak=self.lr, decay=self.decay)

"""EventOptions: the options of a training on search events, and the settings of a run that they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.option import named
from poeem.spec import IndexSpec
from poeem.training.options.events import EVENT_GROUPS, EventLossOptions, EventModelOptions
from poeem.training.options.groups import ExecutionOptions, IndexOptions, OptimizerOptions
from poeem.training.options.resolve import NOT_SETTINGS

# Values of options that are not given.
DEFAULTS = {
    "spec": "RQ8",
    "dim": 64,
    "metric": "cosine",
    "assignment": "nearest",
    "dropout": 0.0,
    "epochs": 1,
    "batch_size": 1024,
    "lr": 7e-3,
    "index_lr": 1.0,
}


@dataclass(frozen=True)
class EventOptions:
    """The options of a training on search events, in groups.

    >>> EventOptions.named(dim=32, temperature=0.2).settings()["spec"]
    'RQ8x8'
    """

    model: EventModelOptions = field(default_factory=EventModelOptions)
    index: IndexOptions = field(default_factory=IndexOptions)
    loss: EventLossOptions = field(default_factory=EventLossOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    execution: ExecutionOptions = field(default_factory=ExecutionOptions)

    @classmethod
    def named(cls, **values: Any) -> EventOptions:
        """All groups, with the given fields by name.

        Raises:
            ValueError: an unknown name, or a value out of range.
        """
        return cls(*named(EVENT_GROUPS.values(), **values))

    def settings(self) -> dict[str, Any]:
        """The settings of a run: all options with their defaults, as JSON values.

        Raises:
            ValueError: options contradict each other.
        """
        values = {name: value for group in EVENT_GROUPS for name, value in vars(getattr(self, group)).items()}
        settings = {name: value for name, value in values.items() if name not in NOT_SETTINGS}
        for name, default in DEFAULTS.items():
            settings[name] = default if settings[name] is None else settings[name]
        if self.optimizer.epochs is not None and self.optimizer.steps is not None:
            raise ValueError(
                f"epochs (={self.optimizer.epochs}) and steps (={self.optimizer.steps}) both say how long to train; "
                "give one of them"
            )
        if self.optimizer.steps is not None:
            settings["epochs"] = None
            if self.optimizer.steps < 2:
                raise ValueError(
                    f"steps (={self.optimizer.steps}) must be at least 2: half of them come before the index"
                )
        if settings["codes"] == "fixed":
            raise ValueError("codes (='fixed') are not a setting of --events; leave it out")
        if settings["mixed_negatives"] and settings["metric"] == "l2":
            raise ValueError("mixed_negatives needs metric 'cosine' or 'ip': distances do not mix; leave one out")
        if settings["heads"] < 1 or settings["dim"] % settings["heads"]:
            raise ValueError(f"heads (={settings['heads']}) must divide dim (={settings['dim']}); choose 1, 2 or 4")
        spec = IndexSpec.parse(settings["spec"])
        spec.check_dim(settings["dim"])
        if settings["nprobe"] is not None and not spec.nlist:
            raise ValueError(
                f"nprobe (={settings['nprobe']}) goes with inverted lists, spec {str(spec)!r} has none; leave it out"
            )
        nprobe = check_nprobe(settings["nprobe"], spec.nlist, default_nprobe(spec.nlist)) if spec.nlist else None
        return settings | {"spec": str(spec), "nprobe": nprobe, "estimator": settings["estimator"] or "ste"}

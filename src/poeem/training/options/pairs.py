"""The option groups of a training on pairs of texts that differ from those on interactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poeem.option import check_choices, more_option, option, setting
from poeem.training.options.groups import GROUPS, METRICS, LossOptions, OptimizerOptions

# Defaults by the kind of the encoder. Token vectors learn fastest at a rate that is too high for an index: in short
# trainings the index ranked much worse with an index_lr of 1. A transformer needs a low rate, at which an index would
# hardly learn.
BY_ENCODER: dict[str, dict[str, Any]] = {
    "static": {"epochs": 5, "batch_size": 512, "lr": 1e-2, "index_lr": 0.01, "max_tokens": 128},
    "transformer": {"epochs": 1, "batch_size": 64, "lr": 2e-5, "index_lr": 100.0, "max_tokens": 128},
}


def default_text(name: str) -> str:
    """Describe the default of an option for its help text.

    >>> default_text("lr")
    'Default: 0.01; another encoder than static 2e-05.'
    """
    static, transformer = (BY_ENCODER[kind][name] for kind in ("static", "transformer"))
    return f"Default: {static:g}; another encoder than static {transformer:g}."


@dataclass(frozen=True)
class TextModelOptions:
    """Encoder of texts."""

    encoder: str = more_option(
        "static",
        "static (vectors of tokens), or a folder or name of a Sentence Transformers model.",
        metavar="static|FOLDER|NAME",
    )
    dim: int | None = more_option(None, "Width of the embeddings.", shown="256")
    metric: str | None = more_option(None, "Similarity.", choices=METRICS, shown="cosine")
    max_tokens: int | None = setting(None, "Tokens of a text that are read. Default: 128.")

    def __post_init__(self) -> None:
        check_choices(self)
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens (={self.max_tokens}) must be at least 1")
        if self.dim is not None and self.encoder != "static":
            raise ValueError(f"dim (={self.dim}) goes with encoder='static'; another encoder has its own, leave it out")


@dataclass(frozen=True)
class TextLossOptions(LossOptions):
    """Terms of the loss and their weights."""

    temperature: float = setting(0.05, "Temperature of the softmax.")


@dataclass(frozen=True)
class TextOptimizerOptions(OptimizerOptions):
    """Length of the training, AdamW and its schedule."""

    epochs: float | None = option(None, "Length of the training.", shown="5")
    batch_size: int | None = more_option(None, f"Pairs per step. {default_text('batch_size')}")
    lr: float | None = more_option(None, f"Highest learning rate. {default_text('lr')}")
    index_lr: float | None = setting(None, f"Factor on the learning rate for the index. {default_text('index_lr')}")


TEXT_GROUPS: dict[str, type] = {
    **GROUPS,
    "model": TextModelOptions,
    "loss": TextLossOptions,
    "optimizer": TextOptimizerOptions,
}

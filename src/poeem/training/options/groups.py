"""The option groups of a training on interactions: model, index, loss, optimizer, execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poeem.option import check_choices, more_option, named, option, setting
from poeem.training.options.by_tower import default_text

TOWERS = ("history", "sequence")
METRICS = ("cosine", "ip", "l2")


@dataclass(frozen=True)
class ModelOptions:
    """Towers and item table."""

    tower: str | None = more_option(
        None, "history (fast) or sequence (a transformer: slower).", choices=TOWERS, shown="history"
    )
    dim: int | None = option(None, "Width of the embeddings.", shown="64; images 128")
    metric: str | None = more_option(None, "Similarity.", choices=METRICS, shown="cosine")
    history_length: int | None = setting(None, f"Events of a history that are read. {default_text('history_length')}")
    dropout: float | None = setting(None, f"Dropout of the towers. {default_text('dropout')}")
    item_table: str | None = setting(
        None, "full (the default), or compressed: codewords that items share.", choices=("full", "compressed")
    )
    table_bytes: int | None = setting(None, "Bytes per item of a compressed table. Default: 8.")

    __post_init__ = check_choices


@dataclass(frozen=True)
class IndexOptions:
    """Structure of the index and how it learns."""

    spec: str | None = option(None, "Structure, such as RQ8, OPQ8,PQ8 or OPQ8,IVF64,PQ8.", flag="--index", shown="RQ8")
    estimator: str | None = setting(
        None,
        "How index and tower learn through each other. Default: ste; task with fixed codes.",
        choices=("ste", "task", "rotation-trick", "soft"),
    )
    assignment: str | None = setting(
        None, "How codewords are chosen. Default: nearest.", choices=("nearest", "score-aware", "balanced")
    )
    codes: str | None = setting(
        None,
        "reassigned at every step (the default), or fixed: items keep the codes of the warm start (JPQ).",
        choices=("reassigned", "fixed"),
    )
    rotation: str = setting(
        "givens-greedy",
        "How the rotation of OPQ learns.",
        choices=("givens-greedy", "givens-random", "givens-steepest", "cayley", "polar", "frozen"),
    )
    warm_start: float | None = setting(
        None, "Share of the steps before the index is fitted to the items and learns too. Default: 0.5; images 0.8."
    )
    nprobe: int | None = more_option(
        None, "Inverted lists visited per query where figures are given. Default: the square root of nlist."
    )

    def __post_init__(self) -> None:
        check_choices(self)
        if self.warm_start is not None and not 0 <= self.warm_start < 1:
            raise ValueError(
                f"warm_start (={self.warm_start}) is a share of the steps, 0 to below 1; 0.5 to 0.8 is usual"
            )


@dataclass(frozen=True)
class LossOptions:
    """Terms of the loss and their weights.

    ``commitment`` pulls items to their codewords, as the distortion pulls codewords to items. Items near their
    codewords lose less and change codes less often. ``distill`` is the distillation of the float scores into those of
    the decoded items, see ``poeem.losses.distillation``. ``list_loss`` is a softmax in which the centroid of its list
    stands for an item, see ``list_softmax``. With ``balance`` 1 lists are ranked by the relevant items that they hold
    per code scanned, with 0 by the relevant items that they hold.

    Raises:
        ValueError: a value is out of range.
    """

    temperature: float = setting(0.1, "Temperature of the softmax.")
    views: str = setting(
        "both", "both, or quantized: the paper's loss, with commitment 0.", choices=("both", "quantized")
    )
    share: float = setting(0.75, "Share of the quantized view in the loss, with views both.")
    commitment: float = setting(1.0, "Weight of the term that pulls items to their codewords.")
    candidates: str = setting(
        "unique",
        "Columns of the softmax: every item of the batch once, or once for every positive.",
        choices=("unique", "positives"),
    )
    hard_negatives: int = setting(0, "Negatives per query from the live index. 0: in-batch negatives only.")
    distill: float = setting(0.0, "Weight of ranking as the float vectors do.")
    list_loss: float | None = setting(
        None, "Weight of queries finding the inverted list of their item. Default: 0.5 with lists."
    )
    balance: float | None = setting(
        None, "1: lists are ranked by relevant items per code scanned; 0: by relevant items. Default: 1."
    )

    def __post_init__(self) -> None:
        check_choices(self)
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature (={self.temperature}) must be a number above 0; 0.05 to 0.1 suits cosine")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share (={self.share}) of the quantized view must be 0 to 1")
        if self.hard_negatives < 0:
            raise ValueError(f"hard_negatives (={self.hard_negatives}) must be 0 (none) or more, items a query")
        for name, usual in (
            ("commitment", "0.25 to 4"),
            ("distill", "0.5 to 2"),
            ("list_loss", "0.1 to 1"),
            ("balance", "0 to 1"),
        ):
            weight = getattr(self, name)
            if weight is not None and not 0 <= weight < float("inf"):
                raise ValueError(f"{name} (={weight}) must be 0 or more; {usual} is usual")


@dataclass(frozen=True)
class OptimizerOptions:
    """Length of the training, AdamW and its schedule."""

    epochs: float | None = option(None, "Length of the training.", shown="5")
    steps: int | None = more_option(None, "Length of the training, in place of epochs.")
    batch_size: int | None = more_option(None, f"Examples per step. {default_text('batch_size')}")
    lr: float | None = more_option(None, f"Highest learning rate. {default_text('lr')}")
    weight_decay: float = setting(0.0, "Weight decay of AdamW, on matrices only.")
    decay: str = setting("linear", "How the learning rate falls.", choices=("linear", "cosine", "constant"))
    index_lr: float | None = setting(None, "Factor on the learning rate for the index. Default: 1.")

    __post_init__ = check_choices


@dataclass(frozen=True)
class ExecutionOptions:
    """Seed, device, validation and checkpoints."""

    seed: int = option(0, "Seed of everything random.")
    device: str = more_option("auto", "Where to compute: auto, cpu, cuda or mps.")
    mixed_precision: str | None = setting(None, "no, fp16 or bf16. Default: that of accelerate launch.")
    patience: int | None = more_option(None, "Stop after so many validations without gain, with the best model.")
    validate_every: int | None = setting(None, "Steps between two validations. Default: an epoch, at most 20.")
    checkpoint_every: int | None = setting(None, "Steps between two checkpoints. Default: 1/20 of the run.")
    log_with: str | None = more_option(None, "tensorboard or wandb.")
    show: bool = more_option(True, "Show progress on stderr.", flag="--progress/--no-progress")


GROUPS: dict[str, type] = {
    "model": ModelOptions,
    "index": IndexOptions,
    "loss": LossOptions,
    "optimizer": OptimizerOptions,
    "execution": ExecutionOptions,
}


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training, in groups.

    >>> TrainOptions.named(dim=32, spec="PQ4", steps=100).index.spec
    'PQ4'
    """

    model: ModelOptions = ModelOptions()
    index: IndexOptions = IndexOptions()
    loss: LossOptions = LossOptions()
    optimizer: OptimizerOptions = OptimizerOptions()
    execution: ExecutionOptions = ExecutionOptions()

    @classmethod
    def named(cls, **values: Any) -> TrainOptions:
        """Make all groups from fields by name. Names are distinct over the groups.

        Raises:
            ValueError: an unknown name, or a value out of range.
        """
        return cls(*named(GROUPS.values(), **values))

    def settings(self) -> dict[str, Any]:
        """Return all fields of all groups by name."""
        return {name: value for group in GROUPS for name, value in vars(getattr(self, group)).items()}

"""Options of ``poeem fit``: an index for frozen embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poeem.option import check_choices, more_option, option, setting


@dataclass(frozen=True)
class VectorIndexOptions:
    """Structure and metric of the index."""

    spec: str | None = option(None, "Structure, such as RQ8 or OPQ16,PQ16.", flag="--index", shown="RQ8")
    metric: str | None = option(None, "Similarity.", choices=("ip", "l2", "cosine"), shown="ip")

    __post_init__ = check_choices


@dataclass(frozen=True)
class FitOptions:
    """Parts that a fit trains, losses, and length."""

    codes: str | None = more_option(
        None,
        "reassigned, or fixed (nothing is encoded again). Default: fixed for RQ, else reassigned.",
        choices=("reassigned", "fixed"),
    )
    assignment: str = setting(
        "nearest", "How codewords are chosen; with RQ nearest only.", choices=("nearest", "score-aware", "balanced")
    )
    train_codebooks: bool = setting(True, "Train the codebooks. If false, train only the query adapter.")
    adapter: bool = setting(True, "Train a matrix that queries are multiplied by.")
    ranked_codebooks: bool = setting(True, "Codebooks learn from ranking. If false, from the distortion only.")
    distill_weight: float = setting(1.0, "Weight of the loss that imitates the ranking of exact search.")
    label_weight: float = setting(1.0, "Weight of the loss that ranks relevant items first.")
    distortion_weight: float = setting(0.0, "Weight of the squared error.")
    list_weight: float = setting(1.0, "With lists: weight of the loss that ranks lists as the items in them.")
    temperature: float | None = setting(
        None, "Temperature of the distillation, for unit vectors. Default: by the spread of the exact scores."
    )
    top: int = setting(50, "Best items of a query by exact search; each step samples eight of them.")
    epochs: float = option(6.0, "Passes over the queries.")
    batch_size: int = setting(512, "Queries per step.")
    lr: float | None = setting(None, "Learning rate of the codebooks. Default: 0.003 for PQ, 0.001 for RQ.")
    patience: int = setting(2, "Epochs without gain on held-out queries after which to stop.")
    max_queries: int = option(65_536, "Queries used at most, a random sample.")
    held_out: str = setting(
        "random",
        "Queries that judge the fit: random ones, or the last rows (of a file sorted by time or by user).",
        choices=("random", "last"),
    )
    max_items: int | None = option(
        None, "Items that training ranks, a random sample; it costs recall. All items are encoded.", shown="all"
    )
    seed: int = option(0, "Seed of everything random.")
    device: str = more_option("auto", "Where to compute: auto, cpu, cuda or mps.")
    show: bool = more_option(True, "Show progress on stderr.", flag="--progress/--no-progress")

    def __post_init__(self) -> None:
        check_choices(self)
        if not (math.isfinite(self.epochs) and self.epochs > 0):
            raise ValueError(f"epochs (={self.epochs}) must be a number above 0; 2 to 10 is usual")
        if not (self.train_codebooks or self.adapter):
            raise ValueError("train_codebooks (=False) and adapter (=False) leave nothing to train; drop one")
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ValueError(
                f"temperature (={self.temperature}) must be a number above 0; 0.01 to 0.05 suits unit vectors"
            )
        for name in ("distill_weight", "label_weight", "distortion_weight", "list_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} (={getattr(self, name)}) must be 0 or more; 1 is usual")
        if self.top < 1:
            raise ValueError(f"top (={self.top}) must be at least 1; 50 to 200 is usual")
        if self.max_queries < 1:
            raise ValueError(f"max_queries (={self.max_queries}) must be at least 1; 65,536 is the default")
        if self.max_items is not None and self.max_items < 1:
            raise ValueError(f"max_items (={self.max_items}) must be at least 1; without it, all items are ranked")
        if not self.train_codebooks and self.codes == "reassigned":
            raise ValueError(
                "codes (='reassigned') change with the codebooks, and train_codebooks (=False) keeps them; drop one"
            )
        if not self.train_codebooks and self.assignment == "balanced":
            raise ValueError(
                "assignment (='balanced') is how codebooks learn, and train_codebooks (=False) keeps them; drop one"
            )

"""Options of the recipe for search events: towers, spans of behaviour, loss."""

from __future__ import annotations

from dataclasses import dataclass

from poeem.option import check_choices, more_option, option, setting
from poeem.training.options.groups import METRICS, ExecutionOptions, IndexOptions, OptimizerOptions


@dataclass(frozen=True)
class EventModelOptions:
    """Towers of product search.

    The lengths of the spans are checked by ``poeem.data.events.inputs.Spans``, ``heads`` with the settings of the run.

    Raises:
        ValueError: an unknown ``metric``, or a ``dropout`` below 0 or not below 1.
    """

    dim: int | None = option(None, "Width of the embeddings.", shown="64")
    metric: str | None = more_option(None, "Similarity.", choices=METRICS, shown="cosine")
    granular: bool = setting(True, "Queries by characters, bigrams, words, words in context and past queries.")
    attention: bool = setting(True, "LSTM and attention over the behaviour; false: means of it and an MLP.")
    again: bool = setting(True, "Attention to every item of the behaviour; false: the tower of the paper.")
    heads: int = setting(4, "Heads of every self-attention; divides dim.")
    dropout: float | None = setting(None, "Dropout of the query tower. Default: 0.")
    recent: int = setting(15, "Events of the latest span of behaviour.")
    short: int = setting(30, "Events of the span before it.")
    long: int = setting(400, "Events of the span before that.")
    past: int = setting(5, "Past queries that are read.")
    attributes: str | None = setting(
        None, "Columns of the item table that are embedded, with commas. Default: text columns of few values."
    )
    category: str | None = more_option(
        None,
        "Column of the item table by which results are judged (p_good@100). Default: category or product_category.",
        metavar="NAME",
    )

    def __post_init__(self) -> None:
        check_choices(self)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout (={self.dropout}) must be at least 0 and below 1")


@dataclass(frozen=True)
class EventLossOptions:
    """Softmax, negatives and weights.

    ``mixed_negatives`` are mixtures of the positive and the negatives that score highest, see
    ``softmax_with_mixed_negatives``.

    Raises:
        ValueError: a value is out of range.
    """

    temperature: float = setting(0.05, "Temperature of the softmax. Higher: results are more relevant.")
    negatives: int = setting(1024, "Items per step drawn from the catalogue as further negatives.")
    mixed_negatives: int = setting(0, "Negatives per query mixed of the positive and the hardest negatives.")
    mixed_low: float = setting(0.4, "Least share of the positive in a mixed negative.")
    mixed_high: float = setting(0.6, "Largest share of the positive in a mixed negative.")
    share: float = setting(0.75, "Share of the quantized view in the loss.")
    commitment: float = setting(1.0, "Weight of the term that pulls items to their codewords.")

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature (={self.temperature}) must be a number above 0; 0.05 to 0.2 suits cosine")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share (={self.share}) of the quantized view must be 0 to 1")
        for name in ("negatives", "mixed_negatives"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} (={getattr(self, name)}) must be 0 (none) or more")
        if not 0 <= self.mixed_low <= self.mixed_high < 1:
            raise ValueError(
                f"mixed_low (={self.mixed_low}) and mixed_high (={self.mixed_high}) must be 0 to 1, mixed_low first, "
                "mixed_high below 1"
            )
        if not 0 <= self.commitment < float("inf"):
            raise ValueError(f"commitment (={self.commitment}) must be 0 or more; 0.25 to 4 is usual")


EVENT_GROUPS: dict[str, type] = {
    "model": EventModelOptions,
    "index": IndexOptions,
    "loss": EventLossOptions,
    "optimizer": OptimizerOptions,
    "execution": ExecutionOptions,
}

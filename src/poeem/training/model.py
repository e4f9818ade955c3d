"""The towers, the index and the loss as one module: a training step is a single forward of it."""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.layers.checks import check_choice
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.retrieval_softmax import retrieval_softmax
from poeem.losses.two_views import check_share, two_views
from poeem.metric import check_metric
from poeem.towers.protocol import EveryPositionTower
from poeem.towers.two_tower import TwoTower

VIEWS = ("both", "quantized")
CANDIDATES = ("unique", "positives")


class StepOutput(NamedTuple):
    """The loss of a step and its parts, scalars: ``loss = retrieval + (1 + commitment) * distortion``."""

    loss: Tensor
    retrieval: Tensor  # nats
    distortion: Tensor  # squared embedding units; 0 before the warm start and without an index


class JointModel(nn.Module):
    """Towers, index and loss.

    One forward a step, since DistributedDataParallel hooks into forward alone. Candidates of the softmax are the
    positives of the batch.

    Args:
        towers: query and item tower.
        index: the index behind the item tower; None for the float model.
        log_q: float, ``(n_items,)``: log-probability that an item is a column, see ``poeem.data.frequency``.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``; the index's, if there is one.
        temperature: of the softmax.
        views: ``"both"``, or ``"quantized"`` for the quantized view alone.
        share: of the quantized view when there are both, see ``two_views``.
        commitment: weight of ``‖x - sg(x_hat)‖²``, which draws items to their words as the distortion draws words to
            items; 0 is the paper's loss. Items that stay near their words lose less, and change codes less often.
        candidates: ``"unique"``: every item is a column once; ``"positives"``: once for every positive of the batch.
    Raises:
        ValueError: an argument is none of its choices, or the widths or metrics of towers and index differ.
    """

    log_q: Tensor

    def __init__(
        self,
        towers: TwoTower,
        index: EmbeddingIndex | None,
        *,
        log_q: Tensor,
        metric: str = "cosine",
        temperature: float = 0.07,
        views: str = "both",
        share: float = 0.5,
        commitment: float = 0.0,
        candidates: str = "unique",
    ) -> None:
        super().__init__()
        check_metric(metric)
        check_choice("views", views, VIEWS)
        check_choice("candidates", candidates, CANDIDATES)
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature (={temperature}) must be a number above 0; 0.05 to 0.1 suits cosine")
        check_share(share)
        if not 0 <= commitment < float("inf"):
            raise ValueError(f"commitment (={commitment}) must be 0 or more; 0.25 to 4 is usual")
        if index is not None and (index.dim, index.metric) != (towers.dim, metric):
            raise ValueError(
                f"index (dim={index.dim}, metric={index.metric!r}) must have the towers' dim (={towers.dim}) and the "
                f"model's metric (={metric!r})"
            )
        self.towers, self.index = towers, index
        self.metric, self.temperature, self.candidates = metric, temperature, candidates
        self.share, self.commitment = share if views == "both" else 1.0, commitment
        self.register_buffer("log_q", log_q, persistent=False)

    @property
    def quantizes(self) -> bool:
        """Whether there is an index and it has been warm-started."""
        return self.index is not None and self.index.ready

    def forward(self, history: Tensor, positive: Tensor) -> StepOutput:
        """The loss of a batch of ``poeem.data.batches``.

        Args:
            history: int64, ``(B, L)``, oldest first, right-aligned, -1 empty.
            positive: int64, ``(B,)``: the next item; or ``(B, L)``: the next item after every place, -1 for none.
        """
        if positive.dim() == 2:
            asked = positive >= 0
            queries = cast(EveryPositionTower, self.towers.query).every_position(history)[asked]
            positive = positive[asked]
        else:
            queries = self.towers.query(history)
        # Each item through the tower and the index once, however often the batch wants it.
        unique, column = positive.unique(return_inverse=True)
        items = self.towers.item(unique)
        out = None if self.index is None else self.index(items)
        quantized = None if out is None else out.embedding
        columns, ids, target = unique, None, column
        if self.candidates == "positives":
            columns, ids, target = positive, positive, None
            items = items[column]
            quantized = None if quantized is None else quantized[column]
        settings = {
            "temperature": self.temperature,
            "metric": self.metric,
            "log_q": self.log_q[columns],
            "item_ids": ids,
        }
        if out is None or quantized is None or not self.quantizes:
            # Before the warm start the two views are one and the same.
            retrieval = retrieval_softmax(queries, items, target, normalize_items=self.metric == "cosine", **settings)
        else:
            # A mean of the views: the loss keeps its size when the index sets in, and so does the step of training.
            retrieval = two_views(queries, items, quantized, target, share=self.share, **settings)
        if out is None or quantized is None:
            return StepOutput(retrieval, retrieval, retrieval.new_zeros(()))
        loss = retrieval + out.distortion
        if self.commitment and self.quantizes:
            floats = nn.functional.normalize(items) if self.metric == "cosine" else items
            loss = loss + self.commitment * distortion(quantized.detach(), floats)
        return StepOutput(loss, retrieval, out.distortion)

"""EventModel: towers of product search, index and loss as one module. A training step is one forward of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.mixed_negatives import softmax_with_mixed_negatives
from poeem.losses.two_views import two_views
from poeem.towers.product.query import Behaviour
from poeem.towers.product.semantic_unit import QueryTokens
from poeem.towers.two_tower import TwoTower
from poeem.training.options.events import EventLossOptions
from poeem.training.shared_items import SharedItems
from poeem.training.step_output import StepOutput


class EventModel(nn.Module):
    """Towers of product search, index and loss as one module.

    Args:
        towers: from ``product_towers``.
        index: the index behind the item tower; None for the float model.
        log_q: float, ``(n_items,)``: log-probability that an item is a column, see ``EventBatches.log_q``.
        loss: temperature, negatives and weights.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``; equal to that of the index.
    """

    log_q: Tensor

    def __init__(
        self, towers: TwoTower, index: EmbeddingIndex | None, *, log_q: Tensor, loss: EventLossOptions, metric: str
    ) -> None:
        super().__init__()
        self.towers, self.index, self.loss, self.metric = towers, index, loss, metric
        self.register_buffer("log_q", log_q, persistent=False)

    def queries(self, **inputs: Tensor) -> Tensor:
        """Return query vectors ``(B, dim)`` for the inputs of ``EventInputs``."""
        tokens = QueryTokens(**{name: inputs[name] for name in QueryTokens._fields})
        behaviour = Behaviour(**{name: inputs[name] for name in Behaviour._fields})
        return self.towers.query(tokens, behaviour, inputs["visit"])

    def forward(self, positive: Tensor, negatives: Tensor, **inputs: Tensor) -> StepOutput:
        """Compute the loss of a batch of ``EventBatches``: positives ``(B,)`` and sampled negatives ``(K,)``, item
        numbers.
        """
        queries = self.queries(**inputs)
        # Each distinct item goes through tower and index once, in one of the processes, and is one column of the
        # softmax.
        shared = SharedItems(torch.cat([positive, negatives]), len(positive), across=self.training)
        target, log_q = shared.place[shared.target], self.log_q[shared.numbers]
        own = self.towers.item(shared.own)
        items, out = shared.vectors(own), None if self.index is None else shared.output(self.index(own))
        floats = nn.functional.normalize(items) if self.metric == "cosine" else items
        share = 0.0 if out is None or self.index is None or not self.index.ready else self.loss.share
        quantized = floats if out is None else out.embedding
        retrieval = shared.query_weight * self._softmax(queries, floats, quantized, target, log_q, share)
        if out is None:
            return StepOutput(retrieval, retrieval, retrieval.new_zeros(()))
        total = retrieval + out.distortion
        if out.codes is not None:
            total = total + self.loss.commitment * distortion(quantized.detach(), floats)
        return StepOutput(total, retrieval, out.distortion)

    def _softmax(
        self, queries: Tensor, floats: Tensor, quantized: Tensor, target: Tensor, log_q: Tensor, share: float
    ) -> Tensor:
        """The softmax over the float and the quantized items; before the warm start both are the float ones."""
        settings: dict[str, Any] = {"temperature": self.loss.temperature, "metric": self.metric, "log_q": log_q}
        if not self.loss.mixed_negatives:
            return two_views(queries, floats, quantized, target, share=share, **settings)
        settings |= {"count": self.loss.mixed_negatives, "low": self.loss.mixed_low, "high": self.loss.mixed_high}
        # A view of weight 0 is not computed.
        weighted = [(1 - share, floats), (share, quantized.float())]
        parts = [
            weight * softmax_with_mixed_negatives(queries, view, target, **settings)
            for weight, view in weighted
            if weight
        ]
        return torch.stack(parts).sum()

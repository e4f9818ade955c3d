"""What is trained when embeddings stay as they are: the index, and a matrix on the queries' side."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.distillation import distillation
from poeem.training.model import StepOutput


class FrozenModel(nn.Module):
    """Scores of the quantized candidates, taught by the exact scores of the same candidates and by labels.

    Args:
        layer: a warm-started index.
        adapter: whether a matrix ``(dim, dim)`` on the queries' side is trained, from the identity.
        temperature: of the distillation, in units of a unit vector's inner product.
        label_weight: of the labels' cross-entropy beside the distillation; 0 is label-free.
        label_temperature: of that cross-entropy.
        scale: length of a typical item times that of a typical query, by which temperatures are multiplied.
    """

    index = None  # for the progress bar: no codebook use is counted here

    def __init__(
        self,
        layer: EmbeddingIndex,
        *,
        adapter: bool,
        temperature: float,
        label_weight: float = 0.0,
        label_temperature: float = 0.03,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = nn.Parameter(torch.eye(layer.dim)) if adapter else None
        # ‖q - x‖² moves twice as far as <q, x>.
        unit = scale * (2 if layer.metric == "l2" else 1)
        self.temperature, self.label_temperature = temperature * unit, label_temperature * unit
        self.label_weight = label_weight

    def adapted(self, queries: Tensor) -> Tensor:
        """Queries ``(n, dim)`` as they are scored: ``q W``."""
        return queries if self.adapter is None else queries @ self.adapter

    def scores(self, queries: Tensor, items: Tensor) -> Tensor:
        """``(n, m)``, larger is better; under ``l2`` without ``‖q‖²``, which is the same for all items."""
        if self.layer.metric == "l2":
            return torch.addmm(-items.square().sum(1), queries, items.T, alpha=2)
        return queries @ items.T

    def forward(
        self,
        queries: Tensor,
        items: Tensor,
        label_query: Tensor,
        label_item: Tensor,
        other_query: Tensor,
        other_item: Tensor,
        codes: Tensor | None = None,
        lists: Tensor | None = None,
    ) -> StepOutput:
        """The loss of a step.

        Args:
            queries: float, ``(B, dim)``.
            items: float, ``(m, dim)``, exact.
            label_query, label_item, other_query, other_item: as of ``candidates.Step``.
            codes, lists: int64, ``(m, M)`` and ``(m,)``, fixed; None: the layer assigns anew.
        """
        with torch.no_grad():
            if codes is None:
                codes, lists = self.layer.encode(items)
            teacher = self.scores(queries, items)
        decoded = self.layer.reconstruct(codes, lists)
        student = self.scores(self.adapted(queries), decoded)
        taught = distillation(student, teacher, temperature=self.temperature)
        loss = taught
        if self.label_weight and len(label_query):
            others = torch.zeros_like(student, dtype=torch.bool)
            others[other_query, other_item] = True
            logits = (student / self.label_temperature).masked_fill(others, -torch.inf)
            loss = loss + self.label_weight * F.cross_entropy(logits[label_query], label_item)
        return StepOutput(loss, taught, (decoded - items).square().sum().detach() / len(items))

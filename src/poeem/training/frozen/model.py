"""FrozenModel: index, query adapter and loss for frozen embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.engines.probing import probes_by_inner_product
from poeem.functional.distortion import distortion
from poeem.functional.scores import scores
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.distillation import distillation
from poeem.training.options.fit import FitOptions
from poeem.training.step_output import StepOutput

# Temperatures of the distillation and of the cross-entropy of labels, for unit vectors.
TEMPERATURE, LABEL_TEMPERATURE = 0.02, 0.03
# Temperature of the distillation over the spread of the exact scores. Scores of one model lie ten times as far apart
# as those of another. With a temperature that is low beside their spread, only the first item of a ranking counts.
TEMPERATURE_SHARE = 0.4


class FrozenModel(nn.Module):
    """An index and a query adapter, trained by the exact scores of sampled items and by labels.

    The loss has three terms: distillation of exact scores into scores of the quantized items (``distill_weight``),
    cross-entropy of labels (``label_weight``), and the distortion ``‖x - x_hat‖²`` (``distortion_weight``). With lists,
    the first two are added once more with the centroid of its list in place of each item (``list_weight``, Distill-VQ's
    term for IVF). Without ``ranked_codebooks`` the ranking terms do not reach the index, as in Poeem. The adapter is a
    matrix ``(dim, dim)`` that queries are multiplied by; it starts as the identity.

    Args:
        layer: a warm-started index.
        options: the weights above. ``temperature`` of the distillation is meant for unit vectors; None: 0.4 of
            ``spread``.
        labelled: whether there are labels; without them ``label_weight`` does nothing.
        scale: length of a typical item times that of a typical query; given temperatures are multiplied by it.
        spread: how much higher than that of the 50th item the best item's exact score is, mean over queries.
    """

    def __init__(
        self,
        layer: EmbeddingIndex,
        options: FitOptions,
        *,
        labelled: bool,
        scale: float = 1.0,
        spread: float | None = None,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = nn.Parameter(torch.eye(layer.dim)) if options.adapter else None
        # ‖q - x‖² changes twice as much as <q, x>.
        unit = scale * (2 if layer.metric == "l2" else 1)
        if options.temperature is None and spread:
            self.temperature = TEMPERATURE_SHARE * spread
        else:
            self.temperature = (options.temperature or TEMPERATURE) * unit
        self.label_temperature = LABEL_TEMPERATURE * unit
        self.distill_weight, self.distortion_weight = options.distill_weight, options.distortion_weight
        self.label_weight = options.label_weight if labelled else 0.0
        self.list_weight = options.list_weight if layer.coarse is not None else 0.0
        self.ranked_codebooks = options.ranked_codebooks

    def adapted(self, queries: Tensor) -> Tensor:
        """Multiply queries ``(n, dim)`` by the adapter ``W``: ``q W``."""
        return queries if self.adapter is None else queries @ self.adapter

    def scores(self, queries: Tensor, items: Tensor) -> Tensor:
        """Score queries and items: ``(n, m)``, larger is better. Under ``l2`` the term ``‖q‖²`` is left out, which is
        the same for all items.
        """
        # Under cosine inputs have unit length. The adapter changes a query's length, but not its ranking.
        return scores(queries, items, "l2" if self.layer.metric == "l2" else "ip")

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
        """Compute the loss of a step.

        Args:
            queries: float, ``(B, dim)``.
            items: float, ``(m, dim)``, not quantized.
            label_query, label_item, other_query, other_item: see ``candidates.Step``.
            codes, lists: int64, ``(m, M)`` and ``(m,)``, fixed; None: the layer assigns them.
        Returns:
            the loss and its parts.
        """
        with torch.no_grad():
            if codes is None:
                codes, lists = self.layer.encode(items, step=self.training)
            teacher = self.scores(queries, items)
        decoded = self.layer.reconstruct(codes, lists)
        error = distortion(items, decoded)
        others = torch.zeros_like(teacher, dtype=torch.bool)
        others[other_query, other_item] = True

        def ranking(views: Tensor) -> tuple[Tensor, Tensor]:
            """Weighted loss and distillation, with ``views (m, dim)`` in place of the items."""
            student = self.scores(self.adapted(queries), views if self.ranked_codebooks else views.detach())
            labelled = self.label_weight > 0 and len(label_query) > 0
            # With weight 0 the distillation is only shown, without a gradient if the labels have one.
            with torch.set_grad_enabled(torch.is_grad_enabled() and (self.distill_weight > 0 or not labelled)):
                distilled = distillation(student, teacher, temperature=self.temperature)
            loss = self.distill_weight * distilled
            if labelled:
                logits = (student / self.label_temperature).masked_fill(others, -torch.inf)
                loss = loss + self.label_weight * F.cross_entropy(logits[label_query], label_item)
            return loss, distilled

        loss, distilled = ranking(decoded)
        if self.list_weight and lists is not None:
            loss = loss + self.list_weight * ranking(self._centroids(lists))[0]
        return StepOutput(loss + self.distortion_weight * error, distilled, error)

    def list_scores(self, queries: Tensor) -> Tensor:
        """Score the lists for queries ``(n, dim)``, already adapted: ``(n, nlist)``. Queries visit the lists of the
        highest scores.
        """
        assert self.layer.coarse is not None
        centroids = self._centroids(torch.arange(self.layer.spec.nlist, device=queries.device))
        stored = self.layer.coarse.centroids().detach().cpu().numpy()
        inner = probes_by_inner_product(self.layer.spec, self.layer.metric, stored)
        return scores(queries, centroids, "ip" if inner else "l2")

    def _centroids(self, lists: Tensor) -> Tensor:
        """Centroids of lists ``(m,)``, rotated back to the space of the queries: ``(m, dim)``."""
        assert self.layer.coarse is not None
        y = self.layer.coarse.centroids().index_select(0, lists.long())
        return y if self.layer.rotation is None else y @ self.layer.rotation.matrix().T

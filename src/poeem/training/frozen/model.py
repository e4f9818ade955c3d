"""What is trained when embeddings stay as they are: the index, and a matrix on the queries' side."""

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

# Of the cross-entropy of labels.
LABEL_TEMPERATURE = 0.03


class FrozenModel(nn.Module):
    """Scores of the quantized candidates, trained by the exact scores of the same candidates and by labels.

    Args:
        layer: a warm-started index.
        options: ``adapter``: a matrix ``(dim, dim)`` on the queries' side is trained, from the identity.
            ``temperature`` of the distillation, in units of a unit vector's inner product. ``distill_weight``,
            ``label_weight``, ``distortion_weight`` of the three terms: ranking as exact search does, ranking relevant
            items first, and ``‖x - x_hat‖²``. ``list_weight``: with lists, the weight of the same two rankings with the
            centroid of its list in place of an item, so that lists are ranked as their items are (Distill-VQ's term
            for the IVF). Without ``ranked_codebooks`` the ranking terms do not reach the index, as in Poeem.
        labelled: whether there are labels; without, there is no second term.
        scale: length of a typical item times that of a typical query, by which temperatures are multiplied.
    """

    def __init__(self, layer: EmbeddingIndex, options: FitOptions, *, labelled: bool, scale: float = 1.0) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = nn.Parameter(torch.eye(layer.dim)) if options.adapter else None
        # ‖q - x‖² changes twice as much as <q, x>.
        unit = scale * (2 if layer.metric == "l2" else 1)
        self.temperature, self.label_temperature = options.temperature * unit, LABEL_TEMPERATURE * unit
        self.distill_weight, self.distortion_weight = options.distill_weight, options.distortion_weight
        self.label_weight = options.label_weight if labelled else 0.0
        self.list_weight = options.list_weight if layer.coarse is not None else 0.0
        self.ranked_codebooks = options.ranked_codebooks

    def adapted(self, queries: Tensor) -> Tensor:
        """Queries ``(n, dim)`` as they are scored: ``q W``."""
        return queries if self.adapter is None else queries @ self.adapter

    def scores(self, queries: Tensor, items: Tensor) -> Tensor:
        """``(n, m)``, larger is better; under ``l2`` without ``‖q‖²``, which is the same for all items."""
        # Under cosine all came at unit length; how long the adapter makes a query changes no ranking of its own.
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
        """The loss of a step.

        Args:
            queries: float, ``(B, dim)``.
            items: float, ``(m, dim)``, exact.
            label_query, label_item, other_query, other_item: as of ``candidates.Step``.
            codes, lists: int64, ``(m, M)`` and ``(m,)``, fixed; None: the layer assigns anew.
        """
        with torch.no_grad():
            if codes is None:
                codes, lists = self.layer.encode(items, step=self.training)
            teacher = self.scores(queries, items)
        decoded = self.layer.reconstruct(codes, lists)
        lost = distortion(items, decoded)
        others = torch.zeros_like(teacher, dtype=torch.bool)
        others[other_query, other_item] = True

        def ranking(views: Tensor) -> tuple[Tensor, Tensor]:
            """Loss and distillation of what stands for the items, ``(m, dim)``."""
            student = self.scores(self.adapted(queries), views if self.ranked_codebooks else views.detach())
            labelled = self.label_weight > 0 and len(label_query) > 0
            # Without weight it is only shown; its gradient, nought, is worth its time where there is no other.
            with torch.set_grad_enabled(torch.is_grad_enabled() and (self.distill_weight > 0 or not labelled)):
                taught = distillation(student, teacher, temperature=self.temperature)
            loss = self.distill_weight * taught
            if labelled:
                logits = (student / self.label_temperature).masked_fill(others, -torch.inf)
                loss = loss + self.label_weight * F.cross_entropy(logits[label_query], label_item)
            return loss, taught

        loss, taught = ranking(decoded)
        if self.list_weight and lists is not None:
            loss = loss + self.list_weight * ranking(self._centroids(lists))[0]
        return StepOutput(loss + self.distortion_weight * lost, taught, lost)

    def list_scores(self, queries: Tensor) -> Tensor:
        """``(n, nlist)``: by what adapted queries ``(n, dim)`` choose the lists that they visit."""
        assert self.layer.coarse is not None
        centroids = self._centroids(torch.arange(self.layer.spec.nlist, device=queries.device))
        stored = self.layer.coarse.centroids().detach().cpu().numpy()
        inner = probes_by_inner_product(self.layer.spec, self.layer.metric, stored)
        return scores(queries, centroids, "ip" if inner else "l2")

    def _centroids(self, lists: Tensor) -> Tensor:
        """The centroid of each of the lists ``(m,)``, in the space of the queries: ``(m, dim)``."""
        assert self.layer.coarse is not None
        y = self.layer.coarse.centroids().index_select(0, lists.long())
        return y if self.layer.rotation is None else y @ self.layer.rotation.matrix().T

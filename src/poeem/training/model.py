"""JointModel: towers, index and loss as one module. A training step is one forward of it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.functional.scores import scores
from poeem.layers.collective import summed
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.distillation import distillation
from poeem.losses.list_softmax import list_softmax
from poeem.losses.retrieval_softmax import retrieval_softmax
from poeem.losses.two_views import two_views
from poeem.metric import check_metric
from poeem.towers.protocol import EveryPositionTower
from poeem.towers.two_tower import TwoTower
from poeem.training.code_stability import StableCodes
from poeem.training.fixed_codes import FixedCodes
from poeem.training.hard_negatives import QUERIES, HardNegatives, Mined, log_column_probability
from poeem.training.options.groups import LossOptions
from poeem.training.shared_items import SharedItems
from poeem.training.step_output import StepOutput

# Largest number of queries in the distillation term. More cost memory and do not improve the result.
DISTILLED_QUERIES = 1024
DEFAULT_LOSS = LossOptions()


class JointModel(nn.Module):
    """Towers, index and loss as one module.

    A training step is a single forward pass, because DistributedDataParallel synchronises gradients of ``forward``
    only. The columns of the softmax are the positives of the batch and the hard negatives, of all processes.

    Args:
        towers: query and item tower.
        index: the index behind the item tower; None for the float model.
        log_q: float, ``(n_items,)``: log-probability that an item is a column, see ``poeem.data.frequency``.
        loss: terms of the loss and their weights.
        metric: ``"ip"``, ``"cosine"`` or ``"l2"``; equal to that of the index.
        hard_negatives: mines further columns once it is active; None: the other positives of the batch are the only
            negatives.
        kept: codes that items keep instead of the nearest ones; None: always the nearest. Its name is a part of the
            names in weight files.
    Raises:
        ValueError: an unknown metric, the widths or metrics of towers and index differ, or ``list_loss`` without lists.
    """

    log_q: Tensor

    def __init__(
        self,
        towers: TwoTower,
        index: EmbeddingIndex | None,
        *,
        log_q: Tensor,
        loss: LossOptions = DEFAULT_LOSS,
        metric: str = "cosine",
        hard_negatives: HardNegatives | None = None,
        kept: StableCodes | FixedCodes | None = None,
    ) -> None:
        super().__init__()
        check_metric(metric)
        list_loss = loss.list_loss or 0.0
        if list_loss and index is not None and index.coarse is None:
            raise ValueError(
                f"list_loss (={list_loss}) goes with inverted lists, {str(index.spec)!r} has none; leave it out"
            )
        if index is not None and (index.dim, index.metric) != (towers.dim, metric):
            raise ValueError(
                f"index (dim={index.dim}, metric={index.metric!r}) must have the towers' dim (={towers.dim}) and the "
                f"model's metric (={metric!r})"
            )
        self.towers, self.index = towers, index
        self.metric, self.temperature, self.candidates = metric, loss.temperature, loss.candidates
        self.share, self.commitment = loss.share if loss.views == "both" else 1.0, loss.commitment
        self.hard_negatives, self.distill = hard_negatives, loss.distill
        self.list_loss, self.balance = list_loss, 1.0 if loss.balance is None else loss.balance
        self.kept = kept
        self.register_buffer("log_q", log_q, persistent=False)

    @property
    def quantizes(self) -> bool:
        """Whether there is an index and it has been warm-started."""
        return self.index is not None and self.index.ready

    @torch.no_grad()
    def scored_vectors(self, items: Tensor) -> Tensor:
        """Return the vectors of items ``(n,)`` that an engine would score now: ``x_hat``, or float vectors without an
        index; float32 ``(n, dim)``.
        """
        vectors = self.towers.item(items).float()
        if self.index is not None and self.quantizes:
            return self.index.decode(*self.encode(items, vectors))
        return nn.functional.normalize(vectors) if self.metric == "cosine" else vectors

    def encode(self, items: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode items as a bundle stores them.

        Args:
            items: int64, ``(n,)``, item numbers.
            vectors: float, ``(n, dim)``, of these items.
        Returns:
            codes int64 ``(n, M)``, and lists int64 ``(n,)`` or None.
        """
        assert self.index is not None
        if self.kept is None:
            return self.index.encode(vectors)
        return self.kept.encode(self.index, items, vectors)

    def forward(self, history: Tensor, positive: Tensor, negative: Tensor | None = None) -> StepOutput:
        """Compute the loss of a batch of ``poeem.data.batches`` or ``poeem.data.pairs.batches``.

        Args:
            history: what the query tower reads: int64, ``(B, L)``, oldest first, right-aligned, -1 for an empty place;
                or numbers of queries, ``(B,)``.
            positive: int64, ``(B,)``: the next item; or ``(B, L)``: the next item at every position, -1 for none.
            negative: int64, ``(B,)``: an item that is a further column of the softmax, -1 for none.
        Returns:
            the loss and its parts.
        """
        if positive.dim() == 2:
            has_next = positive >= 0
            queries = cast(EveryPositionTower, self.towers.query).every_position(history)[has_next]
            # The whole window is known: its later items are items of the same user.
            known, positive = history[has_next.nonzero()[:, 0]], positive[has_next]
        else:
            queries = self.towers.query(history)
            known = history if history.dim() == 2 else positive[:, None]
        mined = self._mined(queries, positive, known)
        numbers = positive if negative is None else torch.cat([positive, negative[negative >= 0]])
        if mined is not None and self.hard_negatives is not None:
            numbers = torch.cat([numbers, self.hard_negatives.numbers[mined.rows]])
        # Each distinct item goes through tower and index once, in one of the processes.
        shared = SharedItems(numbers, len(positive), across=self.training)
        own = self.towers.item(shared.own)
        out = None if self.index is None else self.index(own)
        if out is not None and self.index is not None and self.kept is not None:
            out = self.kept.output(self.index, shared.own, own, out)
        items, out = shared.vectors(own), None if out is None else shared.output(out)
        quantized = None if out is None else out.embedding
        column = shared.place[shared.target]
        columns, ids, target, place = shared.numbers, None, column, shared.place
        if self.candidates == "positives":
            columns, ids, target = shared.all, shared.all, shared.target
            items = items[place]
            quantized = None if quantized is None else quantized[place]
        settings = {
            "temperature": self.temperature,
            "metric": self.metric,
            "log_q": self._log_q(columns, mined, shared),
            "item_ids": ids,
        }
        if out is None or quantized is None or not self.quantizes:
            # Before the warm start the two views are equal.
            retrieval = retrieval_softmax(queries, items, target, normalize_items=self.metric == "cosine", **settings)
        else:
            # A mean of the views: the size of the loss does not change at the warm start.
            retrieval = two_views(queries, items, quantized, target, share=self.share, **settings)
        retrieval = shared.query_weight * retrieval
        if out is None or quantized is None:
            return StepOutput(retrieval, retrieval, retrieval.new_zeros(()))
        loss = retrieval + out.distortion
        if self.index is not None and out.codes is not None:
            floats = nn.functional.normalize(items) if self.metric == "cosine" else items
            if self.commitment:
                loss = loss + self.commitment * distortion(quantized.detach(), floats)
            if self.distill:
                decoded = self.index.reconstruct(out.codes, out.lists)
                decoded = decoded if self.candidates == "unique" else decoded[place]
                distilled = self._distillation(queries, floats, decoded, settings["log_q"])
                loss = loss + self.distill * shared.query_weight * distilled
            if self.list_loss and out.lists is not None:
                lists = out.lists if self.candidates == "unique" else out.lists[place]
                positive_lists = out.lists[column]
                ranked = self._list_softmax(queries, positive_lists, lists, settings["log_q"])
                loss = loss + self.list_loss * shared.query_weight * ranked
        return StepOutput(loss, retrieval, out.distortion)

    def _mined(self, queries: Tensor, positive: Tensor, known: Tensor) -> Mined | None:
        """Hard negatives of some queries of the batch."""
        if self.hard_negatives is None or not self.hard_negatives.active or not self.training:
            return None
        searching = torch.randperm(len(queries), device=queries.device)[:QUERIES]
        return self.hard_negatives.mine(
            queries.detach()[searching].float(),
            positive[searching],
            known[searching],
            self.scored_vectors(positive[searching]),
            metric=self.metric,
            temperature=self.temperature,
        )

    def _log_q(self, columns: Tensor, mined: Mined | None, shared: SharedItems) -> Tensor:
        log_q = self.log_q[columns]
        if mined is None or self.hard_negatives is None:
            return log_q
        # An item is no column if no process has mined it.
        log_missed = summed(self.hard_negatives.log_missed(mined, columns))
        draws = shared.n_positives if self.candidates == "positives" else None
        return log_column_probability(log_q, log_missed, draws=draws)

    def _distillation(self, queries: Tensor, floats: Tensor, decoded: Tensor, log_q: Tensor) -> Tensor:
        """Distillation of the ranking by ``x`` into that by ``x_hat``; columns weigh as in the softmax.

        Only the index learns from it. With a straight-through gradient, each item would move together with its
        reconstruction, and the gap between them would never close. Measured on MovieLens-1M with OPQ4,PQ4 at weight 1,
        that gradient costs 0.04 of the float recall@100 and 0.017 of the index's (validation).
        """
        queries = queries[:DISTILLED_QUERIES].detach()
        # Columns weigh as in the softmax; the loss divides by the temperature.
        bias = self.temperature * log_q
        student, teacher = (scores(queries, view, self.metric) - bias for view in (decoded, floats))
        return distillation(student, teacher, temperature=self.temperature)

    def _list_softmax(self, queries: Tensor, positive_lists: Tensor, lists: Tensor, log_q: Tensor) -> Tensor:
        """The list loss, from the lists of the positives ``(n,)`` and those of the columns ``(m,)``."""
        assert self.index is not None
        assert self.index.coarse is not None
        centroids = self.index.coarse.centroids()
        if self.index.rotation is not None:
            # Queries are not rotated. The rotation does not learn from this term.
            centroids = centroids @ self.index.rotation.matrix().detach().T
        return list_softmax(
            queries,
            centroids,
            positive_lists,
            lists,
            log_q=log_q,
            balance=self.balance,
            temperature=self.temperature,
            metric=self.metric,
        )

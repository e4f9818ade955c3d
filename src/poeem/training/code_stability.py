"""Codes in service that a new model is to leave as they are, unless changing one is worth it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.functional.score_aware import score_aware_error
from poeem.layers.embedding_index import EmbeddingIndex, Output
from poeem.layers.product import ProductQuantizer


class StableCodes(nn.Module):
    """Assignment at a price: ``argmin_c ‖x - x̂_c‖² + margin [c is not the code in service]``.

    That is, an item keeps code and list unless the nearest ones lower its squared error by more than ``margin``; where
    words are chosen ``score-aware``, that error stands for the squared one.
    Training, validation and bundle assign so alike: the item tower is drawn to the words that its items are served by,
    the query tower learns to score them, and what is written is what was trained. The arrays of the index must not
    change meanwhile.

    Args:
        known: bool, ``(n_items,)``: whether an item is in service; others are assigned as ever.
        codes: integers, ``(n_items, M)``, of those that are.
        lists: integers, ``(n_items,)``; None for a flat spec.
        margin: squared embedding units, 0 or more.
    """

    known: Tensor
    codes: Tensor
    lists: Tensor | None

    def __init__(self, known: Tensor, codes: Tensor, lists: Tensor | None, *, margin: float) -> None:
        super().__init__()
        self.margin = margin
        # Not persistent: they belong to the index in service, not to the model that follows it.
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("lists", lists, persistent=False)

    @torch.no_grad()
    def encode(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes ``(n, M)`` and lists ``(n,)`` of items ``(n,)`` with vectors ``(n, dim)``, both int64."""
        items = items.to(self.codes.device)
        x = compared(index, vectors)
        codes, lists = index.encode(vectors)
        kept, _ = self._keeps(index, items, x, index.reconstruct(codes, lists))
        return self._settled(items, kept, codes, lists)

    def output(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor, out: Output) -> Output:
        """What the layer has made of items, with those that keep their codes put back to them; differentiable."""
        if out.codes is None:
            return out
        # In float32, as the layer assigns: half precision would keep and change codes by its rounding.
        with torch.autocast(vectors.device.type, enabled=False):
            x = compared(index, vectors)
            kept, old = self._keeps(index, items, x.detach(), out.embedding.detach().float())
            estimate = ESTIMATORS[index.estimator](x, old).to(out.embedding.dtype)
            embedding = torch.where(kept[:, None], estimate, out.embedding)
            codes, lists = self._settled(items, kept, out.codes, out.lists)
            return Output(embedding, codes, lists, distortion(x, embedding.detach().float()))

    @torch.no_grad()
    def _keeps(self, index: EmbeddingIndex, items: Tensor, x: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Whether each item stays, and the reconstruction by its code in service."""
        old = index.reconstruct(self.codes[items].long(), None if self.lists is None else self.lists[items])
        saved = assignment_error(index, x, old) - assignment_error(index, x, x_hat)
        return self.known[items] & (saved <= self.margin), old

    def _settled(
        self, items: Tensor, kept: Tensor, codes: Tensor, lists: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        codes = torch.where(kept[:, None], self.codes[items].long(), codes)
        if lists is not None and self.lists is not None:
            lists = torch.where(kept, self.lists[items].long(), lists)
        return codes, lists


def assignment_error(index: EmbeddingIndex, x: Tensor, x_hat: Tensor) -> Tensor:
    """What the index makes small in choosing the words of each vector: ``(n,)``, squared embedding units.

    Args:
        index: the layer.
        x: float32, ``(n, dim)``; of unit length under ``cosine``.
        x_hat: its reconstruction, the same.
    """
    quantizer = index.quantizer
    if isinstance(quantizer, ProductQuantizer) and quantizer.assignment == "score-aware":
        return score_aware_error(x, x_hat, eta=quantizer.eta)
    return (x - x_hat).square().sum(1)


def compared(index: EmbeddingIndex, vectors: Tensor) -> Tensor:
    """Vectors as the layer compares them with words."""
    x = vectors.float()
    return nn.functional.normalize(x) if index.metric == "cosine" else x

"""StableCodes: items keep the codes of the index in service, unless another code lowers their error by more than a
margin.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.functional.score_aware import score_aware_error
from poeem.layers.embedding_index import EmbeddingIndex, Output
from poeem.layers.product import ProductQuantizer


class StableCodes(nn.Module):
    """An assignment that prefers the code in service: ``argmin_c ‖x - x̂_c‖² + margin [c is not the code in service]``.

    An item keeps its code and list unless the nearest ones lower its error by more than ``margin``. The error is the
    squared one, or the score-aware one if the index assigns by that. Training, validation and bundle all assign like
    this: the item tower moves items to their codewords in service, the query tower learns to score these, and the
    bundle holds the codes that were trained. The arrays of the index must not change while it is used.

    Args:
        in_service: bool, ``(n_items,)``: whether an item is in service. Other items get the nearest code.
        codes: integers, ``(n_items, M)``: codes in service.
        lists: integers, ``(n_items,)``: lists in service; None for a flat spec.
        margin: in squared embedding units, 0 or more; at 0 an item keeps its code if the nearest one is no better.
    """

    in_service: Tensor
    codes: Tensor
    lists: Tensor | None

    def __init__(self, in_service: Tensor, codes: Tensor, lists: Tensor | None, *, margin: float) -> None:
        super().__init__()
        self.margin = margin
        # Not persistent: these belong to the index in service, not to the new model.
        self.register_buffer("in_service", in_service, persistent=False)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("lists", lists, persistent=False)

    @torch.no_grad()
    def encode(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode items, and keep codes in service if the nearest code does not lower the error by more than the margin.

        Args:
            index: the layer.
            items: int64, ``(n,)``, item numbers.
            vectors: float, ``(n, dim)``, of these items.
        Returns:
            codes int64 ``(n, M)``, and lists int64 ``(n,)`` or None.
        """
        items = items.to(self.codes.device)
        x = quantizer_input(index, vectors)
        codes, lists = index.encode(vectors)
        kept, _ = self._keep_mask(index, items, x, index.reconstruct(codes, lists))
        return self._with_kept_codes(items, kept, codes, lists)

    def output(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor, out: Output) -> Output:
        """Put the codes in service into the layer's output, for the items that keep them.

        Args:
            index: the layer.
            items: int64, ``(n,)``, item numbers.
            vectors: float, ``(n, dim)``, of these items.
            out: the layer's output for them.
        Returns:
            the changed output; differentiable.
        """
        if out.codes is None:
            return out
        # In float32, as the layer assigns: rounding to half precision would change which codes are kept.
        with torch.autocast(vectors.device.type, enabled=False):
            x = quantizer_input(index, vectors)
            kept, old = self._keep_mask(index, items, x.detach(), out.embedding.detach().float())
            estimate = ESTIMATORS[index.estimator](x, old).to(out.embedding.dtype)
            embedding = torch.where(kept[:, None], estimate, out.embedding)
            codes, lists = self._with_kept_codes(items, kept, out.codes, out.lists)
            return Output(embedding, codes, lists, distortion(x, embedding.detach().float()))

    @torch.no_grad()
    def _keep_mask(self, index: EmbeddingIndex, items: Tensor, x: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Whether each item keeps its code, bool ``(n,)``; and its reconstruction by that code, ``(n, dim)``."""
        old = index.reconstruct(self.codes[items].long(), None if self.lists is None else self.lists[items])
        saved = assignment_error(index, x, old) - assignment_error(index, x, x_hat)
        return self.in_service[items] & (saved <= self.margin), old

    def _with_kept_codes(
        self, items: Tensor, kept: Tensor, codes: Tensor, lists: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        codes = torch.where(kept[:, None], self.codes[items].long(), codes)
        if lists is not None and self.lists is not None:
            lists = torch.where(kept, self.lists[items].long(), lists)
        return codes, lists


def assignment_error(index: EmbeddingIndex, x: Tensor, x_hat: Tensor) -> Tensor:
    """Compute the error that the index minimises when it assigns codewords.

    Args:
        index: the layer; its ``assignment`` says which error it is.
        x: float32, ``(n, dim)``; of unit length under ``cosine``.
        x_hat: reconstructions, float32, ``(n, dim)``.
    Returns:
        float32, ``(n,)``, squared embedding units.
    """
    quantizer = index.quantizer
    if isinstance(quantizer, ProductQuantizer) and quantizer.assignment == "score-aware":
        return score_aware_error(x, x_hat, eta=quantizer.eta)
    return (x - x_hat).square().sum(1)


def quantizer_input(index: EmbeddingIndex, vectors: Tensor) -> Tensor:
    """Return vectors in the form that the layer quantizes: float32, and of unit length under ``cosine``."""
    x = vectors.float()
    return nn.functional.normalize(x) if index.metric == "cosine" else x

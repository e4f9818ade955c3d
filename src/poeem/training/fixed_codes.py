"""Codes that items keep for good from the warm start on, while words, queries and float vectors go on to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.layers.embedding_index import EmbeddingIndex, Output
from poeem.training.code_stability import compared

# What happens to codes in training.
CODES = ("reassigned", "fixed")


class FixedCodes(nn.Module):
    """The codes of the warm start; what learns is what they mean.

    Nothing is ever encoded again, so that a word moves for the sake of ranking alone and no item leaves it. With the
    estimator ``task`` this is JPQ, but for the item tower, which JPQ has trained before and leaves as it is.

    Args:
        n_items: size of the catalogue.
        M: words of a code.
        lists: whether items are in inverted lists too.
    Source:
        Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance",
        CIKM 2021, section 3.
    """

    codes: Tensor
    lists: Tensor | None

    def __init__(self, n_items: int, M: int, *, lists: bool) -> None:
        super().__init__()
        # Persistent, unlike codes in service: a run that is resumed could not make them again.
        self.register_buffer("codes", torch.zeros(n_items, M, dtype=torch.uint8))
        self.register_buffer("lists", torch.zeros(n_items, dtype=torch.int32) if lists else None)

    @torch.no_grad()
    def take(self, index: EmbeddingIndex, vectors: Tensor) -> None:
        """Keep the codes that the index gives all items at this moment; ``vectors`` is ``(n_items, dim)``."""
        codes, lists = index.encode(vectors)
        self.codes.copy_(codes)
        if self.lists is not None and lists is not None:
            self.lists.copy_(lists)

    def encode(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes ``(n, M)`` and lists ``(n,)`` of items ``(n,)``, both int64, whatever their vectors are."""
        items = items.to(self.codes.device)
        return self.codes[items].long(), None if self.lists is None else self.lists[items].long()

    def output(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor, out: Output) -> Output:
        """What the layer has made of items, put back to their codes; differentiable in vectors and index."""
        if out.codes is None:
            return out
        codes, lists = self.encode(index, items, vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            x, x_hat = compared(index, vectors), index.reconstruct(codes, lists)
            estimate = ESTIMATORS[index.estimator](x, x_hat)
            return Output(estimate.to(out.embedding.dtype), codes, lists, distortion(x, x_hat))

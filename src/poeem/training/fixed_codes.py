"""FixedCodes: items keep the codes of the warm start, while codebooks and towers continue to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.layers.embedding_index import EmbeddingIndex, Output
from poeem.training.code_stability import quantizer_input

# Whether items are encoded again at every step.
CODES = ("reassigned", "fixed")


class FixedCodes(nn.Module):
    """Codes of the warm start, which every item keeps while codebooks and towers continue to learn.

    A codeword then moves to rank its items better, and no item leaves it. With the estimator ``task`` this is JPQ,
    except that JPQ does not train the item tower any further. All codes are 0 until ``record`` is called.

    Args:
        n_items: size of the catalogue.
        M: number of codewords in a code.
        lists: whether there are inverted lists.
    Source:
        Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance",
        CIKM 2021, section 3.
    """

    codes: Tensor
    lists: Tensor | None

    def __init__(self, n_items: int, M: int, *, lists: bool) -> None:
        super().__init__()
        # Persistent, unlike those of StableCodes: a resumed run could not compute them again.
        self.register_buffer("codes", torch.zeros(n_items, M, dtype=torch.uint8))
        self.register_buffer("lists", torch.zeros(n_items, dtype=torch.int32) if lists else None)

    @torch.no_grad()
    def record(self, index: EmbeddingIndex, vectors: Tensor) -> None:
        """Store the codes that the index now gives to all items.

        Args:
            index: the layer.
            vectors: float, ``(n_items, dim)``.
        """
        codes, lists = index.encode(vectors)
        self.codes.copy_(codes)
        if self.lists is not None and lists is not None:
            self.lists.copy_(lists)

    def encode(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the stored codes of items. ``index`` and ``vectors`` are not used; `StableCodes` has the same
        arguments.

        Args:
            items: int64, ``(n,)``, item numbers.
        Returns:
            codes int64 ``(n, M)``, and lists int64 ``(n,)`` or None.
        """
        items = items.to(self.codes.device)
        return self.codes[items].long(), None if self.lists is None else self.lists[items].long()

    def output(self, index: EmbeddingIndex, items: Tensor, vectors: Tensor, out: Output) -> Output:
        """Replace the codes in the layer's output by the stored ones.

        Args:
            index: the layer.
            items: int64, ``(n,)``, item numbers.
            vectors: float, ``(n, dim)``, of these items.
            out: the layer's output for them.
        Returns:
            the changed output; differentiable in vectors and index.
        """
        if out.codes is None:
            return out
        codes, lists = self.encode(index, items, vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            x, x_hat = quantizer_input(index, vectors), index.reconstruct(codes, lists)
            estimate = ESTIMATORS[index.estimator](x, x_hat)
            return Output(estimate.to(out.embedding.dtype), codes, lists, distortion(x, x_hat))

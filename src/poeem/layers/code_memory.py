"""CodeMemory: codes of recent training vectors, decoded by the current codebooks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.layers.checks import check_count
from poeem.layers.staged_index import StagedIndex


class CodeMemory(nn.Module):
    """A queue of the codes of recent training vectors; the oldest are replaced first.

    A code takes a few bytes. Decoded by the current codebooks, it is outdated less than a stored vector would be.

    Args:
        size: codes to keep, at least 1.
        M: codes per vector.
    Raises:
        ValueError: ``size`` is below 1.
    Source:
        Wang et al., "Contrastive quantization with code memory for unsupervised image retrieval" (MeCoQ), AAAI 2022.

    >>> memory = CodeMemory(3, M=1)
    >>> memory.add(torch.tensor([[1], [2]])); memory.add(torch.tensor([[3], [4]]))
    >>> memory.codes()
    tensor([[4],
            [2],
            [3]])
    """

    ring: Tensor
    added: Tensor

    def __init__(self, size: int, M: int) -> None:
        super().__init__()
        check_count("size", size)
        if size < 1:
            raise ValueError(f"size (={size}) of the memory must be at least 1")
        self.register_buffer("ring", torch.zeros(size, M, dtype=torch.int64))
        self.register_buffer("added", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, codes: Tensor) -> None:
        """Add codes ``(n, M)``, int64. If there are more than ``size``, the last ones stay."""
        size = len(self.ring)
        codes = codes[-size:]
        places = (self.added + torch.arange(len(codes), device=codes.device)) % size
        self.ring[places] = codes
        self.added += len(codes)

    def codes(self) -> Tensor:
        """Return the stored codes, ``(n, M)`` with ``n`` at most ``size``, not in the order of their age."""
        return self.ring[: int(self.added.clamp(max=len(self.ring)))]

    def vectors(self, index: StagedIndex) -> Tensor | None:
        """Decode the stored codes by a flat index. It is not checked that the index has no lists.

        Returns:
            float32 ``(n, dim)``, differentiable in its codebooks; None if there are no codes.
        """
        codes = self.codes()
        return index.reconstruct(codes) if len(codes) else None

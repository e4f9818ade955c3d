"""The product quantizer as a module: trained codebooks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.kmeans import worst_rows
from poeem.functional.pq import assign_codes, decode_codes, split


class ProductQuantizer(nn.Module):
    """Codebooks ``(M, ksub, dsub)``, trained by gradient; assignment is hard and by L2.

    Args:
        M, ksub, dsub: shape of the codebooks.
    """

    def __init__(self, M: int, ksub: int, dsub: int) -> None:
        super().__init__()
        self.codebooks = nn.Parameter(torch.zeros(M, ksub, dsub))

    def forward(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """The words of every vector, differentiable in the codebooks, and their numbers: ``(n, dim)``, ``(n, M)``."""
        codes = self.assign(residuals)
        return self.decode(codes), codes

    def assign(self, residuals: Tensor) -> Tensor:
        """``(n, dim)`` residuals to ``(n, M)`` int64 codes."""
        return assign_codes(residuals, self.codebooks.detach().float())

    def decode(self, codes: Tensor) -> Tensor:
        """``(n, M)`` codes to ``(n, dim)`` vectors."""
        return decode_codes(codes, self.codebooks.float())

    @torch.no_grad()
    def set_(self, codebooks: Tensor) -> None:
        """Start from given codebooks ``(M, ksub, dsub)``."""
        self.codebooks.copy_(codebooks)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move the words marked in ``dead`` ``(M, ksub)`` to slices of ``residuals`` that their words serve badly."""
        for m in dead.any(1).nonzero().flatten().tolist():
            slices, words = split(residuals, len(dead))[:, m], self.codebooks[m]
            self.codebooks[m, dead[m]] = worst_rows(slices, words[codes[:, m]], int(dead[m].sum()), generator)

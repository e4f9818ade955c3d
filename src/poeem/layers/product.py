"""The product quantizer as a module: trained codebooks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.balanced import assign_balanced
from poeem.functional.kmeans import worst_rows
from poeem.functional.pq import assign_codes, decode_codes, split
from poeem.functional.score_aware import assign_score_aware

# Rows encoded at a time: their copies stay near the processor on their way through the stages, and preparing the words
# for each of these spans takes a hundredth of the time (with a quarter of the rows a tenth).
_ENCODE_ROWS = 16384


class ProductQuantizer(nn.Module):
    """Codebooks ``(M, ksub, dsub)``, trained by gradient; assignment is hard, and by L2 unless told otherwise.

    Args:
        M, ksub, dsub: shape of the codebooks.
        assignment: ``nearest``, ``score-aware`` (see `assign_score_aware`) or ``balanced`` (see `assign_balanced`),
            which is ``nearest`` outside training.
        eta: of ``score-aware``.
    """

    encode_rows = _ENCODE_ROWS

    def __init__(self, M: int, ksub: int, dsub: int, *, assignment: str = "nearest", eta: float = 2.0) -> None:
        super().__init__()
        self.assignment, self.eta = assignment, eta
        self.codebooks = nn.Parameter(torch.zeros(M, ksub, dsub))

    def forward(
        self, residuals: Tensor, codebooks: Tensor | None = None, *, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The words of every vector, differentiable in the codebooks, and their numbers: ``(n, dim)``, ``(n, M)``."""
        codes = self.assign(residuals, codebooks, vectors=vectors, step=self.training)
        return self.decode(codes), codes

    def assign(
        self,
        residuals: Tensor,
        codebooks: Tensor | None = None,
        *,
        vectors: Tensor | None = None,
        step: bool = False,
    ) -> Tensor:
        """``(n, dim)`` residuals to ``(n, M)`` int64 codes.

        Args:
            residuals: float32, ``(n, dim)``.
            codebooks: others than its own to assign by.
            vectors: float32, ``(n, dim)``: what the residuals are of, where there are lists; for ``score-aware``.
            step: as a step of training does, in which ``balanced`` is that over these rows.
        """
        codebooks = self.codebooks.detach().float() if codebooks is None else codebooks
        if step and self.assignment == "balanced":
            return assign_balanced(residuals, codebooks)
        if self.assignment == "score-aware":
            return assign_score_aware(residuals, codebooks, vectors, eta=self.eta)
        return assign_codes(residuals, codebooks)

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
            self.codebooks.data[m, dead[m]] = worst_rows(slices, words[codes[:, m]], int(dead[m].sum()), generator)

"""The product quantizer as a module: trained codebooks, one for each slice of a vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.balanced import assign_balanced
from poeem.functional.kmeans import worst_rows
from poeem.functional.pq import assign_codes, decode_codes, split
from poeem.functional.score_aware import assign_score_aware
from poeem.layers.choices import ScoreAware


class ProductQuantizer(nn.Module):
    """Codebooks ``(M, ksub, dsub)``, trained by gradient; the assignment is hard.

    Args:
        M, ksub, dsub: shape of the codebooks.
        assignment: ``nearest``, ``ScoreAware`` (see `assign_score_aware`) or ``balanced`` (see `assign_balanced`),
            which is ``nearest`` outside training.
    """

    def __init__(self, M: int, ksub: int, dsub: int, *, assignment: str | ScoreAware = "nearest") -> None:
        super().__init__()
        self.assignment, self.eta = assignment, 1.0
        if isinstance(assignment, ScoreAware):
            self.assignment, self.eta = "score-aware", assignment.eta
        self.codebooks = nn.Parameter(torch.zeros(M, ksub, dsub))

    def forward(
        self, residuals: Tensor, codebooks: Tensor | None = None, *, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Decoded vectors, differentiable in the codebooks, and codes: ``(..., dim)``, ``(..., M)``."""
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
        """``(..., dim)`` residuals to ``(..., M)`` int64 codes.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: assign by these instead of its own.
            vectors: float32, ``(..., dim)``: the vectors that the residuals are of, where there are lists; for
                ``score-aware``.
            step: assign as a training step does, in which ``balanced`` is over these rows.
        """
        codebooks = self.codebooks.detach().float() if codebooks is None else codebooks
        if step and self.assignment == "balanced":
            return assign_balanced(residuals, codebooks)
        if self.assignment == "score-aware":
            return assign_score_aware(residuals, codebooks, vectors, eta=self.eta)
        return assign_codes(residuals, codebooks)

    def decode(self, codes: Tensor) -> Tensor:
        """``(..., M)`` codes to ``(..., dim)`` vectors."""
        return decode_codes(codes, self.codebooks.float())

    @torch.no_grad()
    def set_(self, codebooks: Tensor) -> None:
        """Start from given codebooks ``(M, ksub, dsub)``."""
        self.codebooks.copy_(codebooks)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move the codewords marked in ``dead`` ``(M, ksub)`` to slices of ``residuals`` ``(n, dim)``.

        Slices are sampled in proportion to their squared error under ``codes`` ``(n, M)``.
        """
        for m in dead.any(1).nonzero().flatten().tolist():
            slices, codebook = split(residuals, len(dead))[:, m], self.codebooks[m]
            chosen = worst_rows(slices, codebook[codes[:, m]], int(dead[m].sum()), generator)
            self.codebooks.data[m, dead[m]] = chosen

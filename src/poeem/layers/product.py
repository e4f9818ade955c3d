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
    """The trained codebooks of a product quantizer, ``(M, ksub, dsub)``. Each slice gets exactly one codeword.

    Args:
        M, ksub, dsub: shape of the codebooks.
        assignment: how codewords are chosen: ``nearest``, ``ScoreAware`` (see `assign_score_aware`) or ``balanced``
            (see `assign_balanced`), which chooses the nearest outside training.
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
        """Quantize residuals.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: codebooks to use in place of its own.
            vectors: see `assign`.
        Returns:
            decoded residuals ``(..., dim)``, differentiable in the codebooks, and codes ``(..., M)``.
        """
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
        """Assign codes to residuals.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: codebooks to use in place of its own.
            vectors: float32, ``(..., dim)``: the vectors before the centroid was subtracted; only ``score-aware`` with
                lists needs them.
            step: whether this is a training step, in which ``balanced`` balances these rows.
        Returns:
            int64, ``(..., M)``.
        """
        codebooks = self.codebooks.detach().float() if codebooks is None else codebooks
        if step and self.assignment == "balanced":
            return assign_balanced(residuals, codebooks)
        if self.assignment == "score-aware":
            return assign_score_aware(residuals, codebooks, vectors, eta=self.eta)
        return assign_codes(residuals, codebooks)

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes ``(..., M)`` to residuals ``(..., dim)``, differentiable in the codebooks."""
        return decode_codes(codes, self.codebooks.float())

    @torch.no_grad()
    def set_(self, codebooks: Tensor) -> None:
        """Replace the codebooks by these, ``(M, ksub, dsub)``."""
        self.codebooks.copy_(codebooks)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move codewords that no vector uses to slices of residuals.

        Slices are sampled with a probability proportional to their squared error.

        Args:
            dead: bool, ``(M, ksub)``: the codewords to move.
            residuals: float32, ``(n, dim)``.
            codes: int64, ``(n, M)``, of these residuals.
            generator: chooses the slices.
        """
        for m in dead.any(1).nonzero().flatten().tolist():
            slices, codebook = split(residuals, len(dead))[:, m], self.codebooks[m]
            chosen = worst_rows(slices, codebook[codes[:, m]], int(dead[m].sum()), generator)
            self.codebooks.data[m, dead[m]] = chosen

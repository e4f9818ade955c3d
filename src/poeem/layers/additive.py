"""The additive (residual) quantizer as a module: trained codebooks whose codewords are summed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.kmeans import worst_rows


class AdditiveQuantizer(nn.Module):
    """Codebooks ``(M, ksub, dim)``, trained by gradient; assignment is hard, by L2, and by beam search.

    Args:
        M, ksub, dim: shape of the codebooks.
        beam: partial sums that the search keeps outside training.
        training_beam: the same in training, where a step must be short.
    """

    def __init__(self, M: int, ksub: int, dim: int, *, beam: int = 8, training_beam: int = 2) -> None:
        super().__init__()
        self.beam, self.training_beam = beam, min(beam, training_beam)
        self.codebooks = nn.Parameter(torch.zeros(M, ksub, dim))

    def forward(
        self, residuals: Tensor, codebooks: Tensor | None = None, *, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Decoded vectors, differentiable in the codebooks, and codes: ``(..., dim)``, ``(..., M)``."""
        codes = self.assign(residuals, codebooks, step=self.training)
        return self.decode(codes), codes

    def assign(
        self,
        residuals: Tensor,
        codebooks: Tensor | None = None,
        *,
        vectors: Tensor | None = None,
        step: bool = False,
    ) -> Tensor:
        """``(..., dim)`` residuals to ``(..., M)`` int64 codes, by the full beam whatever the mode.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: assign by these instead of its own.
            vectors: not used; a product quantizer may need them.
            step: assign as a training step does, by the narrow beam.
        """
        codebooks = self.codebooks.detach().float() if codebooks is None else codebooks
        return encode_additive(residuals, codebooks, self.training_beam if step else self.beam)

    def decode(self, codes: Tensor) -> Tensor:
        """``(..., M)`` codes to ``(..., dim)`` vectors."""
        return decode_additive(codes, self.codebooks.float())

    @torch.no_grad()
    def set_(self, codebooks: Tensor) -> None:
        """Start from given codebooks ``(M, ksub, dim)``."""
        self.codebooks.copy_(codebooks)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move the codewords marked in ``dead`` ``(M, ksub)`` to what is missing in vectors with a large error."""
        if not bool(dead.any()):
            return
        error = residuals - self.decode(codes)
        for m in dead.any(1).nonzero().flatten().tolist():
            used = self.codebooks[m, codes[:, m]]
            # A new codeword in the place of the used one would leave no error.
            self.codebooks.data[m, dead[m]] = worst_rows(error + used, used, int(dead[m].sum()), generator)

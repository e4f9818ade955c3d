"""The additive (residual) quantizer as a module: trained codebooks whose codewords are summed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.kmeans import worst_rows


class AdditiveQuantizer(nn.Module):
    """The trained codebooks of an additive quantizer, ``(M, ksub, dim)``. A vector is the sum of one codeword of each.

    Args:
        M, ksub, dim: shape of the codebooks.
        beam: partial sums that the beam search keeps outside training.
        training_beam: partial sums that it keeps in training, where a step must be short.
    """

    def __init__(self, M: int, ksub: int, dim: int, *, beam: int = 8, training_beam: int = 2) -> None:
        super().__init__()
        self.beam, self.training_beam = beam, min(beam, training_beam)
        self.codebooks = nn.Parameter(torch.zeros(M, ksub, dim))

    def forward(
        self, residuals: Tensor, codebooks: Tensor | None = None, *, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Quantize residuals.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: codebooks to use in place of its own.
            vectors: not used; a product quantizer may need them.
        Returns:
            decoded residuals ``(..., dim)``, differentiable in the codebooks, and codes ``(..., M)``.
        """
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
        """Assign codes to residuals by beam search, in the narrow beam only if ``step`` is set.

        Args:
            residuals: float32, ``(..., dim)``.
            codebooks: codebooks to use in place of its own.
            vectors: not used; a product quantizer may need them.
            step: whether this is a training step, which keeps fewer partial sums.
        Returns:
            int64, ``(..., M)``.
        """
        codebooks = self.codebooks.detach().float() if codebooks is None else codebooks
        return encode_additive(residuals, codebooks, self.training_beam if step else self.beam)

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes ``(..., M)`` to residuals ``(..., dim)``, differentiable in the codebooks."""
        return decode_additive(codes, self.codebooks.float())

    @torch.no_grad()
    def set_(self, codebooks: Tensor) -> None:
        """Replace the codebooks by these, ``(M, ksub, dim)``."""
        self.codebooks.copy_(codebooks)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move codewords that no vector uses, so that they correct vectors with a large error.

        A moved codeword takes the place of the used one of its codebook, and leaves no error for one of these vectors.

        Args:
            dead: bool, ``(M, ksub)``: the codewords to move.
            residuals: float32, ``(n, dim)``.
            codes: int64, ``(n, M)``, of these residuals.
            generator: chooses the vectors.
        """
        if not bool(dead.any()):
            return
        error = residuals - self.decode(codes)
        for m in dead.any(1).nonzero().flatten().tolist():
            used = self.codebooks[m, codes[:, m]]
            # A new codeword in the place of the used one would leave no error.
            self.codebooks.data[m, dead[m]] = worst_rows(error + used, used, int(dead[m].sum()), generator)

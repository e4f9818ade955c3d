"""PolarRotation: a free matrix, projected to the orthogonal group after every step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from poeem.functional.newton_schulz import newton_schulz
from poeem.layers.rotation.rotation import (
    ORTHOGONAL,
    Rotation,
    largest_magnitude,
    orthogonality_error,
    polar_factor,
    replace_in_state,
    widest,
)


class PolarRotation(Rotation):
    """A rotation that is trained as a free matrix, which is projected to the orthogonal group after every step.

    The parameter is a matrix ``W``, ``(dim, dim)``. After a step of the optimizer the next forward pass in training
    replaces ``W`` by its polar factor, the nearest orthogonal matrix. ``R`` is one Newton-Schulz step of it. That step
    does not change the value; it projects the gradient on the tangent space. Weight decay scales ``W``, and the polar
    factor undoes it. Optimizers that evaluate the loss several times a step, or write from their own copy of the
    parameters, see ``W`` change under them by a second-order amount.

    Args:
        dim: width of the vectors.
    Source:
        Higham, "Functions of Matrices", 2008, chapter 8.

    >>> PolarRotation(2).matrix().detach()
    tensor([[1., 0.],
            [0., 1.]])
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, "polar")
        self.weight = nn.Parameter(torch.eye(dim))

    def _composed(self) -> Tensor:
        corrected = self._corrected()
        return newton_schulz(widest(self.weight if corrected is None else corrected)).float()

    @torch.no_grad()
    def _apply_step(self) -> None:
        corrected = self._corrected()
        if corrected is not None:
            self.weight.copy_(corrected)

    def _differentiable(self) -> Tensor:
        return newton_schulz(widest(self.weight)).float()

    def _reset(self, R: Tensor) -> None:
        self.weight.copy_(R)

    def _corrected(self) -> Tensor | None:
        """The polar factor of ``W`` as float32, or None if ``W`` is orthogonal already."""
        self._check_finite(largest_magnitude(self.weight.detach()))
        weight = widest(self.weight.detach())
        if orthogonality_error(weight) <= ORTHOGONAL:
            return None
        return polar_factor(weight).float()

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        corrected = self._corrected()
        if corrected is not None:
            replace_in_state(destination, prefix, weight=corrected)

"""CayleyRotation: all planes at once, by the Cayley map of a skew-symmetric matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.cayley import cayley
from poeem.functional.triangle import skew
from poeem.layers.rotation.rotation import Rotation, largest_magnitude, orthogonal, widest


class CayleyRotation(Rotation):
    """A rotation that is trained in all planes at once: ``R = base @ (I + A)^-1 (I - A)``.

    ``base`` is the rotation of the last :meth:`set_`, at first the identity. The parameter is the strict upper triangle
    of the skew-symmetric matrix ``A``, zero at the start. ``R`` is an ordinary function of it, so any optimizer works,
    also one that computes the loss several times per step (LBFGS). Each training step solves a linear system forward
    and one backward, O(dim^3) in float64. Weight decay pulls ``R`` towards ``base``. Rotations by 180 degrees from
    ``base`` would need infinite entries in ``A``, and training approaches them slowly.

    Args:
        dim: width of the vectors.
    Source:
        Helfrich, Willmott, Ye, "Orthogonal Recurrent Neural Networks with Scaled Cayley Transform", ICML 2018.

    >>> CayleyRotation(3).matrix().detach()
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """

    base: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__(dim, "cayley")
        self.register_buffer("base", torch.eye(dim))
        self.upper = nn.Parameter(torch.zeros(dim * (dim - 1) // 2))

    def _composed(self) -> Tensor:
        self._check_finite(largest_magnitude(self.upper.detach()))
        return (widest(orthogonal(self.base)) @ cayley(skew(widest(self.upper)))).float()

    def _apply_step(self) -> None:
        pass

    def _differentiable(self) -> Tensor:
        return self._composed()

    def _reset(self, R: Tensor) -> None:
        self.base.copy_(R)
        self.upper.zero_()

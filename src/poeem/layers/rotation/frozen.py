"""FrozenRotation: a rotation that is not trained."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.layers.rotation.rotation import Rotation, orthogonal


class FrozenRotation(Rotation):
    """A rotation that is not trained: it stays as the warm start sets it.

    Args:
        dim: width of the vectors.

    >>> FrozenRotation(2).matrix()
    tensor([[1., 0.],
            [0., 1.]])
    """

    base: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__(dim, "frozen")
        self.register_buffer("base", torch.eye(dim))

    def _composed(self) -> Tensor:
        return orthogonal(self.base).clone()

    def _apply_step(self) -> None:
        pass

    def _differentiable(self) -> Tensor:
        return self._composed()

    def _reset(self, R: Tensor) -> None:
        self.base.copy_(R)

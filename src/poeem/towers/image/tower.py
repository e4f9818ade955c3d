"""ImageTower: a trunk and a head, from pixels to the vectors that are indexed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

HIDDEN = 256


class ImageTower(nn.Module):
    """An image tower: a trunk (a network or a backbone), then a head of two linear layers. It maps images to ``(n,
    dim)``.

    Args:
        trunk: module with a ``width``, from float images ``(n, channels, h, w)`` in [0, 1] to features ``(n, width)``.
        dim: width of the vectors.
        frozen: whether the trunk is not trained. It then stays in eval mode and has no gradient.
    """

    def __init__(self, trunk: nn.Module, dim: int, *, frozen: bool = False) -> None:
        super().__init__()
        self.trunk, self.dim, self.frozen = trunk, dim, frozen
        width: Any = trunk.width
        self.head = nn.Sequential(
            nn.Linear(width, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, dim)
        )
        if frozen:
            trunk.requires_grad_(False)

    def train(self, mode: bool = True) -> ImageTower:
        """Set train or eval mode. A frozen trunk stays in eval mode, so that its batch norms keep their statistics."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Compute vectors ``(n, dim)``, not of unit length, of float images ``(n, channels, h, w)`` in [0, 1]."""
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Compute the trunk's features of images, ``(n, width)``; without gradient if the trunk is frozen."""
        if not self.frozen:
            return self.trunk(images)
        with torch.no_grad():
            return self.trunk(images)


def as_input(pixels: Tensor) -> Tensor:
    """Convert pixels, uint8 ``(n, h, w, channels)``, to float ``(n, channels, h, w)`` in [0, 1], in the layout
    channels_last.

    >>> as_input(torch.tensor([[[[0], [255]]]], dtype=torch.uint8))
    tensor([[[[0., 1.]]]])
    """
    return pixels.permute(0, 3, 1, 2).float() / 255

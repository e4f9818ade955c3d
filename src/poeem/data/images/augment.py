"""Random views of images: crops, mirror images, changes of brightness and colour, drawn for each image."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from poeem.data.images.colours import change_colours, change_levels
from poeem.data.images.resample import blur_weights, crop_weights, resample

ASPECT_RATIOS = (3 / 4, 4 / 3)
# Probabilities of SPQ's operations, and the standard deviations of its blur in pixels.
MIRROR, JITTER, GREY, BLUR = 0.5, 0.8, 0.2, 0.5
BLUR_SIGMAS = (0.1, 2.0)


class RandomViews(nn.Module):
    """Crops, mirror images, brightness and contrast and, for colour, hue, saturation, grey and blur, drawn for each
    image.

    The operations are SPQ's. The defaults of the recipe are weaker than its, which are for photographs: small images
    of one object that fill their frame lose what tells them apart in a small crop.

    All operations on places are two matrix products per image, all on colours one affine map, see
    :mod:`poeem.data.images.resample` and :mod:`poeem.data.images.colours`.

    Args:
        channels: 1 or 3.
        size: side of the images.
        crop: smallest share of the area that a crop keeps, above 0; 1: no crops.
        jitter: strength of brightness and contrast (and of saturation, and a quarter of it, as a share of a full turn,
            for the hue); 0: none.
        flip: whether to mirror half of the images.
    Raises:
        ValueError: a number is out of range.
    Source:
        Jang, Cho, "Self-supervised product quantization for deep unsupervised image retrieval", ICCV 2021, section 4.2;
        Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020.
    """

    def __init__(self, channels: int, size: int, *, crop: float, jitter: float, flip: bool = True) -> None:
        super().__init__()
        if not 0 < crop <= 1:
            raise ValueError(f"crop (={crop}) must be above 0 and at most 1; 0.2 to 0.6 is usual")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter (={jitter}) must be 0 to 1; 0.4 is usual")
        self.channels, self.size, self.crop, self.jitter, self.flip = channels, size, crop, jitter, flip

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Change float images ``(n, channels, size, size)`` in [0, 1] at random, by torch's global generator. The shape
        and the range stay, and no gradient flows through it.
        """
        coloured = self.channels == 3 and self.jitter > 0
        if self.crop < 1 or self.flip or coloured:
            images = resample(images, *self._places(images, blur=coloured))
        if self.jitter:
            images = change_levels(images, self._factors(images, self.jitter), self._factors(images, self.jitter))
        if coloured:
            saturation = torch.where(_chosen(images, GREY), 0.0, self._factors(images, self.jitter))
            turns = torch.where(_chosen(images, JITTER), _uniform(images, -self.jitter / 4, self.jitter / 4), 0.0)
            images = change_colours(images, saturation, 2 * math.pi * turns)
        return images.contiguous(memory_format=torch.channels_last)

    def _places(self, images: Tensor, *, blur: bool) -> tuple[Tensor, Tensor]:
        """Matrices for rows and columns: crop, mirror, then blur."""
        area = _uniform(images, self.crop, 1)
        ratio = _uniform(images, *map(math.log, ASPECT_RATIOS)).exp() if self.crop < 1 else torch.ones_like(area)
        sides = [(area / ratio).sqrt().clamp_max(1), (area * ratio).sqrt().clamp_max(1)]
        centres = [side / 2 + _uniform(images, 0, 1) * (1 - side) for side in sides]
        mirror = _chosen(images, MIRROR) if self.flip else None
        rows = crop_weights(centres[0], sides[0], self.size)
        columns = crop_weights(centres[1], sides[1], self.size, mirror=mirror)
        if not blur:
            return rows, columns
        # A kernel of a tenth of the image.
        radius = max(1, self.size // 20)
        kernel = blur_weights(_uniform(images, *BLUR_SIGMAS) * _chosen(images, BLUR), self.size, radius)
        return kernel @ rows, kernel @ columns

    def _factors(self, images: Tensor, strength: float) -> Tensor:
        """Factors around 1 for some of the images, and 1 for the others."""
        return torch.where(_chosen(images, JITTER), _uniform(images, 1 - strength, 1 + strength), 1.0)


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(images), device=images.device) * (high - low) + low


def _chosen(images: Tensor, probability: float) -> Tensor:
    return torch.rand(len(images), device=images.device) < probability

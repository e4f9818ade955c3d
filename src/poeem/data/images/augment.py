"""Random views of images as batched tensor operations, by kornia."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RandomViews(nn.Module):
    """Crops, flips, brightness, contrast and, for colour, hue, saturation, grey and blur, drawn for each image.

    The operations are SPQ's. The defaults of the recipe are weaker than its, which are for photographs: small images
    of one object that fill their frame lose what tells them apart in a small crop.

    Args:
        channels: 1 or 3.
        size: side of the images.
        crop: smallest share of the area that a crop keeps, above 0; 1: no crops.
        jitter: strength of brightness and contrast (and of saturation, and a quarter of it for the hue); 0: none.
        flip: whether to mirror half of the images.
    Raises:
        ValueError: kornia is not installed, or a number is out of range.
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
        try:
            import kornia.augmentation as K
        except ImportError as error:
            raise ValueError(
                "augmentations need the package 'kornia'; install the extra: pip install 'poeem-torch[images]'"
            ) from error
        steps: list[Any] = []
        if crop < 1:
            steps.append(K.RandomResizedCrop((size, size), scale=(crop, 1.0), ratio=(3 / 4, 4 / 3)))
        if flip:
            steps.append(K.RandomHorizontalFlip())
        if jitter and channels == 1:
            limits = (1 - jitter, 1 + jitter)
            steps += [K.RandomBrightness(limits, p=0.8), K.RandomContrast(limits, p=0.8)]
        elif jitter:
            steps.append(K.ColorJitter(jitter, jitter, jitter, jitter / 4, p=0.8))
            # Weights as a tensor: kornia 0.9 fails on its own default.
            steps.append(K.RandomGrayscale(rgb_weights=torch.tensor([0.299, 0.587, 0.114]), p=0.2))
            kernel = max(3, size // 10 // 2 * 2 + 1)
            steps.append(K.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5))
        self.steps = K.AugmentationSequential(*steps) if steps else nn.Identity()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Change float images ``(n, channels, size, size)`` in [0, 1] at random, by torch's global generator. The shape
        and the range stay, and no gradient flows through it.
        """
        return self.steps(images).clamp(0, 1).contiguous(memory_format=torch.channels_last)

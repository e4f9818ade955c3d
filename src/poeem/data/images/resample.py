"""Crops, mirror images and blur of a batch of images as two matrix products per image."""

from __future__ import annotations

import torch
from torch import Tensor


def crop_weights(centre: Tensor, share: Tensor, size: int, *, mirror: Tensor | None = None) -> Tensor:
    """Return the matrices that resample one side of images: linear interpolation of ``size`` samples in a window.

    A crop with bilinear interpolation is ``rows @ image @ columns.T`` with such a matrix for either side. For small
    images that is several times as fast as ``grid_sample`` on a CPU.

    Args:
        centre: float, ``(n,)``: centre of the window, 0 to 1 from the first to the last edge of the image.
        share: float, ``(n,)``: width of the window as a share of the side, above 0.
        size: pixels of the side, of the image and of the crop.
        mirror: bool, ``(n,)``: whether to read the window from its end; None: nowhere.
    Returns:
        float, ``(n, size, size)``: the weight of each pixel of the image in each pixel of the crop; rows sum to 1. A
        sample outside the image takes its border pixel.

    >>> crop_weights(torch.tensor([0.25]), torch.tensor([0.5]), 2)  # the first half: from its middle to the border
    tensor([[[1.0000, 0.0000],
             [0.7500, 0.2500]]])
    """
    places = torch.arange(size, dtype=share.dtype, device=share.device)
    steps = share if mirror is None else torch.where(mirror, -share, share)
    # Pixel i covers i to i + 1, so its value lies at i + 0.5.
    samples = (centre * size - 0.5)[:, None] + steps[:, None] * (places + 0.5 - size / 2)
    return (1 - (samples.clamp(0, size - 1)[:, :, None] - places).abs()).clamp_min(0)


def blur_weights(sigma: Tensor, size: int, radius: int) -> Tensor:
    """Return the matrices that blur one side of images by a Gaussian kernel.

    Args:
        sigma: float, ``(n,)``: standard deviation in pixels; 0 leaves the image as it is.
        size: pixels of the side.
        radius: pixels to either side that the kernel reaches.
    Returns:
        float, ``(n, size, size)``; rows sum to 1.
    """
    places = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    distances = (places[:, None] - places).abs()
    weights = torch.exp(-(distances**2) / (2 * sigma[:, None, None] ** 2).clamp_min(1e-6))
    weights = weights * (distances <= radius)
    return weights / weights.sum(2, keepdim=True)


def resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute ``rows @ image @ columns.T`` for every image.

    Args:
        images: float, ``(n, channels, h, w)``.
        rows: float, ``(n, h, h)``.
        columns: float, ``(n, w, w)``.
    Returns:
        float, ``(n, channels, h, w)``.
    """
    n, channels, height, width = images.shape
    # Channels side by side, then below one another: two products per image, not two per channel.
    beside = images.permute(0, 2, 1, 3).reshape(n, height, channels * width)
    below = (rows @ beside).view(n, height, channels, width).permute(0, 2, 1, 3).reshape(n, channels * height, width)
    return (below @ columns.mT).view(images.shape)

"""Changes of brightness, contrast, saturation and hue of a batch of images, as one affine map of colours per image."""

from __future__ import annotations

import torch
from torch import Tensor

# Brightness as the eye sees it (ITU-R BT.601), as Pillow computes grey levels.
LUMA = (0.299, 0.587, 0.114)
# From red, green, blue to YIQ: brightness and a plane of colours, in which a hue is an angle.
YIQ = (LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def change_levels(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Multiply images by their brightness, then move them away from their mean by their contrast.

    Args:
        images: float, ``(n, channels, h, w)``, in [0, 1].
        brightness, contrast: float, ``(n,)``; 1 changes nothing.
    Returns:
        float, ``(n, channels, h, w)``, clamped to [0, 1].
    """
    luma = images.new_tensor(LUMA if images.shape[1] == 3 else (1.0,))
    means = brightness * (images.mean((2, 3)) @ luma)
    scale, offset = brightness * contrast, (1 - contrast) * means
    return (images * scale[:, None, None, None] + offset[:, None, None, None]).clamp(0, 1)


def change_colours(images: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Scale and turn the colours of images around grey. Brightness stays.

    Args:
        images: float, ``(n, 3, h, w)``, in [0, 1].
        saturation: float, ``(n,)``: 1 changes nothing, 0 gives grey.
        hue: float, ``(n,)``: angle in radians by which colours turn in the plane of YIQ; 0 changes nothing.
    Returns:
        float, ``(n, 3, h, w)``, clamped to [0, 1].
    """
    to_yiq = images.new_tensor(YIQ)
    turn = images.new_zeros(len(images), 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = saturation * hue.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -saturation * hue.sin(), saturation * hue.sin()
    maps = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return (maps @ images.flatten(2)).view(images.shape).clamp(0, 1)

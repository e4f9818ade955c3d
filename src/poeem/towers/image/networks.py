"""Networks for small images that are trained from scratch."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

NETWORKS = ("strided", "residual", "resnet18")
# Side of the last map, which is not averaged: where something is matters in small images.
LAST_SIDE = 4


class Trunk(nn.Module):
    """A network that makes features ``(n, width)`` of float images ``(n, channels, size, size)`` in [0, 1].

    Args:
        layers: the layers; their last output is flattened.
        channels, size: of the images.
        width: width of the features.
    """

    def __init__(self, layers: nn.Module, *, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.layers, self.channels, self.size, self.width = layers, channels, size, width

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of images, float32 ``(n, width)``."""
        return self.layers(images).flatten(1)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm beside a shortcut. If the shape changes, the shortcut is a 1 x 1
    convolution.

    Source:
        He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, section 3.3.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        return self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))


def network(name: str, *, channels: int, size: int) -> Trunk:
    """Make a network by name, with random weights of torch's global generator.

    * ``strided``: convolutions of stride 2, down to 4 x 4. On a CPU it learns most per minute.
    * ``residual``: residual blocks with the same strides; it takes half as many images per second.
    * ``resnet18``: ResNet-18 for small images (stem of 3 x 3, no pooling before the blocks, 11 million parameters), the
      network of SPQ on CIFAR-10. It is for a GPU.

    Args:
        name: one of :data:`NETWORKS`.
        channels: 1 (grey) or 3.
        size: side of the images in pixels, at least 8.
    Returns:
        the network, with random weights.
    Raises:
        ValueError: the name is unknown, or images are below 8 pixels.
    """
    if name not in NETWORKS:
        raise ValueError(f"network (={name!r}) must be one of {', '.join(map(repr, NETWORKS))}")
    if size < 8:
        raise ValueError(f"size (={size}) of the images must be at least 8 pixels")
    if name == "resnet18":
        return _resnet18(channels, size)
    steps = max(1, math.ceil(math.log2(size / LAST_SIDE)))
    widths = [min(16 * 2**step, 128) for step in range(steps)]
    layers: list[nn.Module] = [_convolution(channels, widths[0], 5, 2), nn.ReLU()]
    for inputs, outputs in pairwise(widths):
        if name == "residual":
            layers.append(ResidualBlock(inputs, outputs, 2))
        else:
            layers += [_convolution(inputs, outputs, 3, 2), nn.ReLU()]
    side = size
    for _ in range(steps):
        side = -(-side // 2)
    return _channels_last(Trunk(nn.Sequential(*layers), channels=channels, size=size, width=widths[-1] * side**2))


def _resnet18(channels: int, size: int) -> Trunk:
    layers: list[nn.Module] = [_convolution(channels, 64, 3, 1), nn.ReLU()]
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs, 1)]
        inputs = outputs
    layers.append(nn.AdaptiveAvgPool2d(1))
    return _channels_last(Trunk(nn.Sequential(*layers), channels=channels, size=size, width=512))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def _channels_last(trunk: Trunk) -> Trunk:
    import torch

    # On a CPU with AVX2 1.3 times as fast as the other layout.
    return trunk.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

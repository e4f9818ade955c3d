"""ImageModel: tower, index and contrastive loss as one module. A training step is one forward of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.data.images.augment import RandomViews
from poeem.layers.code_memory import CodeMemory
from poeem.layers.collective import gathered, gathered_with_gradient
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.cross_quantized import cross_quantized
from poeem.spec import IndexSpec
from poeem.towers.image.backbones import load_backbone
from poeem.towers.image.networks import network
from poeem.towers.image.tower import ImageTower, as_input
from poeem.training.step_output import StepOutput
from poeem.training.tower_vectors import evaluating

# Pixels of a batch that is encoded: some 10 MB of activations.
PIXELS_AT_ONCE = 2**20


class ImageModel(nn.Module):
    """Tower, index and loss.

    Args:
        tower: from images to vectors.
        index: the index behind it.
        views: random views of float images; None: views of features, see ``feature_dropout``.
        temperature, share, debias: see ``ContrastiveOptions``.
        memory: codes of earlier images, further negatives; None: none.
        feature_dropout: share of the features that a view of an image lacks, where batches hold features.
    """

    def __init__(
        self,
        tower: ImageTower,
        index: EmbeddingIndex,
        *,
        views: nn.Module | None,
        temperature: float,
        share: float = 1.0,
        debias: float = 0.0,
        memory: CodeMemory | None = None,
        feature_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tower, self.index, self.views, self.memory = tower, index, views, memory
        self.temperature, self.share, self.debias, self.feature_dropout = temperature, share, debias, feature_dropout

    def forward(self, images: Tensor, partners: Tensor | None = None) -> StepOutput:
        """Compute the loss of a batch.

        Args:
            images: uint8, ``(B, h, w, channels)``; or float features of a frozen trunk, ``(B, width)``.
            partners: what the second view of each image shows, like ``images``; None: the image itself.
        """
        shown = torch.cat([images, images if partners is None else partners])
        if images.dim() == 2:
            vectors = self.tower.head(F.dropout(shown, self.feature_dropout))
        else:
            assert self.views is not None
            vectors = self.tower(self.views(as_input(shown)))
        out = self.index(vectors)
        # The images of all processes are negatives.
        first, second = map(gathered_with_gradient, vectors.chunk(2))
        numbers: dict[str, Any] = {"temperature": self.temperature, "debias": self.debias}
        loss = vectors.new_zeros(())
        # Before the warm start both losses are the same: the layer is the identity.
        share = self.share if self.index.ready else 0.0
        if share > 0:
            memory = None if self.memory is None else self.memory.vectors(self.index)
            quantized = map(gathered_with_gradient, out.embedding.chunk(2))
            loss = share * cross_quantized(first, second, *quantized, **numbers, memory=memory)
        if share < 1:
            loss = loss + (1 - share) * cross_quantized(first, second, first, second, **numbers)
        if self.memory is not None and out.codes is not None:
            self.memory.add(gathered(out.codes.chunk(2)[0]))
        return StepOutput(loss + out.distortion, loss, out.distortion)

    @torch.no_grad()
    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Return the trunk's features of images uint8 ``(n, h, w, channels)``: float32 ``(n, width)``."""
        return _in_batches(self, pixels, self.tower.features)

    @torch.no_grad()
    def vectors(self, images: np.ndarray) -> np.ndarray:
        """Compute vectors before the index, float32 ``(n, dim)``, not of unit length, of images uint8 ``(n, h, w,
        channels)`` or of features.
        """
        if images.ndim == 2:
            with evaluating(self):
                return self.tower.head(torch.from_numpy(images).to(self.index.device)).float().cpu().numpy()
        return _in_batches(self, images, self.tower)


def build_image_model(settings: Mapping[str, Any], *, pretrained: bool = False) -> ImageModel:
    """Build the model that settings describe. The seed gives its weights. The index is not warm-started; the caller
    does that.

    Args:
        settings: see ``resolve_image_options``; with ``channels`` and ``image_size`` of the images.
        pretrained: load the weights of the backbone; False: they are read afterwards.
    Raises:
        ValueError: a setting is out of range, or a package is missing.
        RuntimeError: the weights cannot be fetched.
    """
    channels, size, frozen = settings["channels"], settings["image_size"], False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings["seed"])
        if settings["backbone"] is None:
            trunk = network(settings["network"], channels=channels, size=size)
        else:
            trunk = load_backbone(settings["backbone"], pretrained=pretrained)
            frozen = not settings["finetune"]
        tower = ImageTower(trunk, settings["dim"], frozen=frozen)
    spec = IndexSpec.parse(settings["spec"])
    return ImageModel(
        tower,
        EmbeddingIndex(
            settings["dim"],
            spec,
            metric="cosine",
            estimator=settings["estimator"],
            assignment=settings["assignment"],
            rotation=settings["rotation"],
            # The recipe warm-starts at its own step; the layer must not start before.
            warmup_steps=2**31,
            seed=settings["seed"],
        ),
        views=None
        if frozen
        else RandomViews(channels, size, crop=settings["crop"], jitter=settings["jitter"], flip=settings["flip"]),
        temperature=settings["temperature"],
        share=settings["share"],
        debias=settings["debias"],
        memory=CodeMemory(settings["memory"], spec.M) if settings["memory"] else None,
        feature_dropout=settings["feature_dropout"],
    )


def _in_batches(model: ImageModel, pixels: np.ndarray, module: Any) -> np.ndarray:
    rows = max(16, PIXELS_AT_ONCE // int(np.prod(pixels.shape[1:])))
    with evaluating(model):
        parts = [
            module(as_input(torch.from_numpy(pixels[start : start + rows]).to(model.index.device)))
            .float()
            .cpu()
            .numpy()
            for start in range(0, len(pixels), rows)
        ]
    return np.concatenate(parts)

"""The option groups of a training on images: files, network, views and loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poeem.option import check_choices, more_option, option, setting
from poeem.spec import IndexSpec
from poeem.training.options.groups import ExecutionOptions, IndexOptions, OptimizerOptions
from poeem.training.options.run import BASELINES_HELP, RunOptions

# Options that do not affect the result of a training.
NOT_SETTINGS = {"device", "mixed_precision", "checkpoint_every", "log_with", "show"}
DEFAULTS: dict[str, Any] = {"dim": 128, "network": "strided", "batch_size": 256, "index_lr": 1.0}
# By how the network starts.
# The loss of SPQ alone, and an index that joins early, cost float mAP; a rotation gains what the index loses by it.
FROM_SCRATCH: dict[str, Any] = {"spec": "OPQ16,PQ16x4", "share": 0.5, "warm_start": 0.8}
FROM_SCRATCH |= {"epochs": 3, "lr": 3e-3, "temperature": 0.2}
FINETUNED = FROM_SCRATCH | {"lr": 3e-4}
# Features of a backbone lose neighbours at low temperatures, which push apart what the head cannot.
FROZEN: dict[str, Any] = {"spec": "PQ16x4", "share": 1.0, "warm_start": 0.3}
FROZEN |= {"epochs": 10, "lr": 3e-3, "temperature": 1.0}


@dataclass(frozen=True)
class ImageFiles:
    """Data."""

    images: Path | None = option(
        None, "Images: a folder of jpg, png, webp (folders in it are classes), .npz or .parquet.", metavar="FOLDER"
    )
    image_size: int | None = more_option(
        None, "Side in pixels that images get. Default: their own up to 64, else 32; with a backbone 112."
    )
    test_queries: int = setting(2000, "Test queries that are used at most, a random sample.")
    pixels: bool = setting(False, "Also build the baselines on raw pixels.")
    features: Path | None = setting(None, "Folder that keeps the features of a frozen backbone for later runs.")


@dataclass(frozen=True)
class NetworkOptions:
    """Network."""

    network: str | None = more_option(
        None,
        "From scratch: strided (fast), residual, or resnet18 (for a GPU).",
        choices=("strided", "residual", "resnet18"),
        shown="strided",
    )
    backbone: str | None = more_option(
        None, "Pretrained network: efficientnet-lite0, a name of timm, or a folder.", metavar="NAME"
    )
    finetune: bool = more_option(
        False, "Train the backbone too, not only the layers on it.", flag="--finetune/--no-finetune"
    )
    dim: int | None = option(None, "Width of the embeddings.", shown="64; images 128")

    def __post_init__(self) -> None:
        check_choices(self)
        if self.finetune and self.backbone is None:
            raise ValueError("finetune (=True) goes with a backbone; name one, or leave it out")
        if self.network is not None and self.backbone is not None:
            raise ValueError(f"network (={self.network!r}) is trained from scratch; leave it or the backbone out")


@dataclass(frozen=True)
class ViewOptions:
    """Random views of an image."""

    crop: float = setting(0.7, "Smallest share of the area that a crop keeps.")
    jitter: float = setting(0.4, "Strength of changes in brightness, contrast and colour.")
    flip: bool = setting(True, "Mirror half of the images.")
    neighbours: int = setting(10, "The second view shows one of this many nearest images; 0: the image itself.")
    feature_dropout: float = setting(0.2, "With a frozen backbone: share of its features that a view lacks.")

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop (={self.crop}) must be above 0 and at most 1; 0.2 to 0.6 is usual")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter (={self.jitter}) must be 0 to 1; 0.4 is usual")
        if self.neighbours < 0:
            raise ValueError(f"neighbours (={self.neighbours}) must be 0 (none) or more; 5 to 30 is usual")
        if not 0 <= self.feature_dropout < 1:
            raise ValueError(f"feature_dropout (={self.feature_dropout}) must be 0 to below 1; 0.1 to 0.5 is usual")


@dataclass(frozen=True)
class ContrastiveOptions:
    """Contrastive loss between two views of an image.

    ``share`` 1 is the loss of SPQ, 0 that of SimCLR, from which the index learns by its distortion alone.
    """

    temperature: float | None = setting(None, "Temperature of the softmax. Default: 0.2, with a frozen backbone 1.")
    share: float | None = setting(
        None, "Share of the cross-quantized loss; the rest is contrastive. Default: 0.5, with a frozen backbone 1."
    )
    debias: float = setting(0.0, "Probability that two images show the same thing, to be subtracted.")
    memory: int = setting(0, "Codes of earlier images as further negatives.")

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature (={self.temperature}) must be a number above 0; 0.1 to 0.5 is usual")
        if self.share is not None and not 0 <= self.share <= 1:
            raise ValueError(f"share (={self.share}) of the cross-quantized loss must be 0 to 1")
        if not 0 <= self.debias < 1:
            raise ValueError(f"debias (={self.debias}) must be 0 to below 1; 1 / number of classes is usual")
        if self.memory < 0:
            raise ValueError(f"memory (={self.memory}) must be 0 (none) or more codes; 1,000 to 50,000 is usual")


GROUPS: dict[str, type] = {
    "model": NetworkOptions,
    "index": IndexOptions,
    "views": ViewOptions,
    "loss": ContrastiveOptions,
    "optimizer": OptimizerOptions,
    "execution": ExecutionOptions,
}


@dataclass(frozen=True)
class ImageRunOptions(RunOptions):
    """Run."""

    baselines: str = option("itq,opq,pq,lsh", BASELINES_HELP, metavar="A,B")


FILE_GROUPS: dict[str, type] = {"files": ImageFiles, "run": ImageRunOptions}


def resolve_image_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve the options of a run on images to its settings: JSON values by the names of the options.

    Args:
        given: fields of the groups by name, see :data:`GROUPS`; None stands for a default.
    Raises:
        ValueError: options contradict each other.

    >>> settings = resolve_image_options({field: None for field in ("spec", "dim", "backbone", "estimator", "codes")})
    >>> settings["spec"], settings["dim"], settings["estimator"], settings["lr"]
    ('OPQ16,PQ16x4', 128, 'soft', 0.003)
    """
    settings = {name: value for name, value in given.items() if name not in NOT_SETTINGS}
    backbone = settings.get("backbone")
    length = FROM_SCRATCH if backbone is None else FINETUNED if settings.get("finetune") else FROZEN
    for name, value in (DEFAULTS | length).items():
        if settings.get(name) is None:
            settings[name] = value
    if backbone is not None:
        settings["network"] = None
    spec = IndexSpec.parse(settings["spec"])
    spec.check_dim(settings["dim"])
    settings["spec"] = str(spec)
    settings["estimator"] = settings.get("estimator") or ("soft" if spec.kind == "PQ" else "ste")
    settings["assignment"] = settings.get("assignment") or "nearest"
    if settings.get("codes") == "fixed":
        raise ValueError("codes (='fixed') are for interactions; images choose their codes at every step")
    if settings.get("patience") is not None:
        raise ValueError(
            f"patience (={settings['patience']}) needs a validation, and images have no labels to train by"
        )
    if settings.get("memory") and spec.nlist:
        raise ValueError(f"memory (={settings['memory']}) of codes goes with flat structures, not with {str(spec)!r}")
    return settings

"""Features of images by a frozen backbone, kept in a folder for later runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import nn

from poeem.bundle.whole_file import whole_file


def stored_features(
    folder: str | Path | None, pixels: np.ndarray, trunk: nn.Module, compute: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Read the features of images from a folder, or compute and store them.

    A file holds the features of all images. Its name is a checksum of the images and of the weights of the trunk.

    Args:
        folder: the folder, made if it is absent; None: nothing is stored.
        pixels: uint8, ``(n, h, w, channels)``.
        trunk: the network; its weights are read.
        compute: from pixels to features, float32 ``(n, width)``.
    Returns:
        float32, ``(n, width)``.
    Raises:
        ValueError: a stored file is damaged.

    >>> stored_features(None, np.zeros((2, 8, 8, 1), np.uint8), nn.Identity(), lambda pixels: np.ones((len(pixels), 3)))
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    if folder is None:
        return compute(pixels)
    key = hashlib.sha256(f"{pixels.shape}".encode())
    key.update(np.ascontiguousarray(pixels).data)
    for name, value in trunk.state_dict().items():
        key.update(name.encode())
        key.update(value.cpu().contiguous().numpy().data)
    path = Path(folder) / f"{key.hexdigest()[:32]}.npy"
    if path.exists():
        return _read(path, len(pixels))
    features = compute(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as new, new.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    return features


def _read(path: Path, n: int) -> np.ndarray:
    try:
        features = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: features cannot be read ({error}); delete the file") from None
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != n:
        raise ValueError(f"{path}: holds {features.dtype} {features.shape}, not float32 of {n} images; delete the file")
    return features

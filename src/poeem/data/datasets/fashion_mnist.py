"""Fashion-MNIST: 70,000 grey images of 28 x 28 pixels in 10 classes of clothing."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import numpy as np

from poeem.data.fetch import Source
from poeem.data.images.image_set import ImageSet

FOLDER = "./usr/share/datasets/fashion-mnist"
CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def load(source: Source) -> ImageSet:
    """Load Fashion-MNIST: 60,000 training images, which are the gallery, and 10,000 test images, which are the queries.

    The data have the MIT licence. They are read from a Debian package in the cache, which is not installed.

    Returns:
        the images.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs apt).
    Source:
        Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
        algorithms", 2017.
    """
    return read_archive(source.fetch())


def read_archive(package: Path) -> ImageSet:
    """Read the images from a ``.deb`` archive with the four files of Fashion-MNIST."""
    pixels, labels, names = [], [], []
    with tarfile.open(fileobj=io.BytesIO(deb_data(package))) as files:
        for part, prefix in (("train", "train"), ("t10k", "test")):
            images, classes = (
                read_idx(gzip.decompress(files.extractfile(f"{FOLDER}/{part}-{kind}-ubyte.gz").read()))  # pyright: ignore[reportOptionalMemberAccess]
                for kind in ("images-idx3", "labels-idx1")
            )
            pixels.append(images)
            labels.append(classes)
            names += [f"{prefix}/{number}" for number in range(len(images))]
    train = len(pixels[0])
    return ImageSet(
        np.concatenate(pixels)[..., None],
        names,
        np.concatenate(labels).astype(np.int64),
        CLASSES,
        queries=np.arange(train, len(names)),
    )


def deb_data(package: Path) -> bytes:
    """Return the uncompressed ``data.tar`` of a Debian package, which is an ``ar`` archive with a member
    ``data.tar.xz``.
    """
    content = package.read_bytes()
    place = 8  # after the magic number
    while place < len(content):
        name, size = content[place : place + 16].strip().rstrip(b"/"), int(content[place + 48 : place + 58])
        place += 60
        if name == b"data.tar.xz":
            return lzma.decompress(content[place : place + size])
        place += size + size % 2
    raise RuntimeError(f"{package} has no data.tar.xz; delete it, so that it is fetched again")


def read_idx(content: bytes) -> np.ndarray:
    """Read an array of bytes in LeCun's IDX format: two zeros, type 8, the number of dimensions, their sizes, the
    values.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist()
    [7, 9]
    """
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4).astype(int)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)

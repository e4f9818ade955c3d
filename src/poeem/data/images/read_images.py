"""Read a set of images from a folder of files, an ``.npz`` archive or a Parquet file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.images.decode import SUFFIXES, Unreadable, is_grey, open_image, to_pixels
from poeem.data.images.image_set import ImageSet
from poeem.data.npy_file import DAMAGED
from poeem.data.tables import PARQUET_SUFFIXES, read_table

# Images of one size up to this one stay as they are; others become squares of the default size.
LARGEST_KEPT, DEFAULT_SIZE = 64, 32
LISTED = 10
IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "img", "bytes"), ("label", "fine_label", "class")


def read_images(
    path: str | Path, *, size: int | None = None, log: Callable[[str], object] = lambda line: None
) -> ImageSet:
    """Read the images of a folder, an ``.npz`` archive or a Parquet file, as squares of one size.

    * A folder: ``.jpg``, ``.png`` and ``.webp`` files, at any depth. If every image lies in a folder below it, and
      there are at least two such folders, their names are the classes. Names are paths below the folder.
    * ``.npz``: array ``images``, uint8 ``(n, height, width)`` or ``(n, height, width, 3)``, and, if there are classes,
      ``labels`` ``(n,)``, integers or text.
    * Parquet: a column ``image`` with the bytes of an image file (or a struct with a field ``bytes``, as Hugging Face
      writes it), and optionally ``label`` and ``id``.

    Images have one channel if all are grey, else three. Unreadable images are left out; ``log`` gets a line for each.

    Args:
        path: the folder or file.
        size: pixels of a side; default: the images' own if all are squares of one size up to 64, else 32.
        log: called with a line of text.
    Returns:
        the images.
    Raises:
        ValueError: nothing at ``path`` can be read, or ``size`` is out of range.
    """
    path = Path(path)
    if size is not None and not 8 <= size <= 1024:
        raise ValueError(f"size (={size}) of images must be 8 to 1024 pixels")
    if path.is_dir():
        return _read_folder(path, size, log)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, size)
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return _read_parquet(path, size, log)
    what = "no such file or folder" if not path.exists() else "cannot be read as images"
    raise ValueError(f"{path}: {what}; give a folder of {', '.join(SUFFIXES)} files, an .npz or a .parquet file")


def read_image_files(paths: Iterable[Path], size: int, channels: int) -> tuple[np.ndarray, list[Path], list[str]]:
    """Read image files in the form that a trained model takes.

    Args:
        paths: image files.
        size, channels: of the model.
    Returns:
        pixels uint8 ``(n, size, size, channels)``, the files that could be read, and a line for each of the others.
    """
    pixels, read, skipped = [], [], []
    for path in paths:
        try:
            pixels.append(to_pixels(open_image(path), size, grey=channels == 1))
            read.append(path)
        except (Unreadable, OSError) as error:
            skipped.append(f"{path}: {error}")
    return np.stack(pixels) if pixels else np.empty((0, size, size, channels), np.uint8), read, skipped


def image_files(folder: Path) -> list[Path]:
    """List the image files of a folder at any depth, sorted. Hidden files are left out."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _read_folder(folder: Path, size: int | None, log: Callable[[str], object]) -> ImageSet:
    files = image_files(folder)
    if not files:
        raise ValueError(f"{folder}: holds no image; names must end in {', '.join(SUFFIXES)}")
    names = [file.relative_to(folder).as_posix() for file in files]
    pixels, kept, skipped = _decoded(folder, files, names, size, log)
    names = [names[row] for row in kept]
    # The first folder of each path, "" for a file that lies beside the folders.
    groups = [name.rpartition("/")[0].partition("/")[0] for name in names]
    if "" in groups or len(set(groups)) < 2:
        return ImageSet(pixels, names, skipped=skipped)
    classes, labels = np.unique(groups, return_inverse=True)
    return ImageSet(pixels, names, labels.astype(np.int64), classes.tolist(), skipped=skipped)


def _decoded(
    path: Path, sources: Sequence[Path | bytes], names: Sequence[str], size: int | None, log: Callable[[str], object]
) -> tuple[np.ndarray, list[int], list[str]]:
    """Pixels of the readable sources, their rows, and a line for each of the others."""
    opened, skipped = [], []
    for row, source in enumerate(sources):
        try:
            image = open_image(source)
            opened.append((row, image.size, is_grey(image)))
            image.close()
        except (Unreadable, OSError) as error:
            skipped.append(f"{names[row]}: {error}")
    grey = all(flag for _, _, flag in opened)
    sizes = {shape for _, shape, _ in opened}
    if size is None:
        ((width, height),) = sizes if len(sizes) == 1 else ((0, 0),)
        size = int(width) if width == height and 8 <= width <= LARGEST_KEPT else DEFAULT_SIZE
    kept: list[int] = []
    pixels = np.empty((len(opened), size, size, 1 if grey else 3), np.uint8)
    for row, _, _ in opened:
        try:
            # Opened again: thousands of open files would exceed the limit of the system.
            with open_image(sources[row]) as image:
                pixels[len(kept)] = to_pixels(image, size, grey=grey)
            kept.append(row)
        except (Unreadable, OSError) as error:
            skipped.append(f"{names[row]}: {error}")
    for line in skipped[:LISTED]:
        log(f"skipped {line}")
    if len(skipped) > LISTED:
        log(f"skipped {len(skipped) - LISTED} more unreadable images")
    if not kept:
        raise ValueError(f"{path}: none of the {len(sources)} images can be read; the first: {skipped[0]}")
    return pixels[: len(kept)], kept, skipped


def _read_npz(path: Path, size: int | None) -> ImageSet:
    try:
        # A file of our own: numpy leaves a damaged one open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = list(archive.files)
            pixels = archive["images"] if "images" in names else None
            labels = archive["labels"] if "labels" in names else None
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as .npz ({' '.join(str(error).split())})") from None
    if pixels is None:
        raise ValueError(f"{path}: array 'images' is missing (found: {', '.join(names) or 'none'}); rename it")
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3)):
        raise ValueError(
            f"{path}: 'images' must be uint8, (n, height, width) or (n, height, width, 3), not {pixels.dtype}, "
            f"{pixels.shape}"
        )
    if 0 in pixels.shape:
        raise ValueError(f"{path}: 'images' (shape {pixels.shape}) hold no pixels")
    if labels is not None and labels.shape != (len(pixels),):
        raise ValueError(f"{path}: 'labels' (shape {labels.shape}) must be ({len(pixels)},), one for each image")
    pixels = pixels if pixels.ndim == 4 else pixels[..., None]
    height, width = pixels.shape[1:3]
    own = int(width) if height == width and 8 <= width <= LARGEST_KEPT else DEFAULT_SIZE
    names = [str(row) for row in range(len(pixels))]
    return _labelled(_resized(pixels, size or own), names, None if labels is None else labels.tolist(), [])


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    if pixels.shape[1:3] == (size, size):
        return pixels
    from PIL import Image

    grey = pixels.shape[3] == 1
    images = (Image.fromarray(image[..., 0] if grey else image) for image in pixels)
    return np.stack([to_pixels(image, size, grey=grey) for image in images])


def _read_parquet(path: Path, size: int | None, log: Callable[[str], object]) -> ImageSet:
    def choose(names: list[str]) -> dict[str, str]:
        found = {}
        for kind, known in (("image", IMAGE_COLUMNS), ("label", LABEL_COLUMNS), ("id", ("id",))):
            found |= dict.fromkeys([name for name in known if name in names][:1], kind)
        if "image" not in found.values():
            raise ValueError(f"column 'image' is missing (found: {', '.join(names)}); rename the one with the bytes")
        return found

    table = read_table(path, choose=choose)
    sources = [_bytes(path, value) for value in table["image"].to_pylist()]
    names = [str(name) for name in (table["id"].to_pylist() if "id" in table.column_names else range(len(sources)))]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: column 'id' must be unique")
    if not sources:
        raise ValueError(f"{path}: holds no rows; at least one image is needed")
    pixels, kept, skipped = _decoded(path, sources, names, size, log)
    labels = None
    if "label" in table.column_names:
        every = table["label"].to_pylist()
        labels = [every[row] for row in kept]
    return _labelled(pixels, [names[row] for row in kept], labels, skipped)


def _bytes(path: Path, value: Any) -> bytes:
    value = value.get("bytes") if isinstance(value, dict) else value
    if value is None:
        return b""
    if not isinstance(value, bytes):
        raise ValueError(f"{path}: column 'image' must hold the bytes of image files, not {type(value).__name__}")
    return value


def _labelled(pixels: np.ndarray, names: Sequence[str], labels: list[Any] | None, skipped: list[str]) -> ImageSet:
    if labels is None:
        return ImageSet(pixels, names, skipped=skipped)
    known = sorted({label for label in labels if label is not None}, key=lambda label: (str(type(label)), label))
    numbers = {label: number for number, label in enumerate(known)}
    coded = np.array([-1 if label is None else numbers[label] for label in labels], dtype=np.int64)
    return ImageSet(pixels, names, coded, [str(label) for label in known], skipped=skipped)

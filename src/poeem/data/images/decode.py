"""Decoding of image files by Pillow to uint8 arrays of one size."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# A compressed file of a few kB may claim any size. Photographs have up to 50 million pixels; 100 million take 300 MB.
MAX_PIXELS = 100_000_000


class Unreadable(ValueError):
    """Error for an image that cannot be decoded; its text is the reason."""


def open_image(source: Path | bytes) -> Any:
    """Open an image with Pillow and read its header, but not its pixels.

    Returns:
        the Pillow image.
    Raises:
        Unreadable: it is no image of a known format, has no pixels, or more than :data:`MAX_PIXELS`.
        ValueError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError(
            "images need the package 'Pillow'; install the extra: pip install 'poeem-torch[images]'"
        ) from error

    try:
        with warnings.catch_warnings():
            # Pillow's own limit warns at its half; ours decides.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except Image.DecompressionBombError:
        raise Unreadable(f"has too many pixels; there must be at most {MAX_PIXELS:,}") from None
    except _errors() as error:
        raise Unreadable(_reason(error)) from None
    width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        image.close()
        raise Unreadable(f"has {width * height:,} pixels; there must be some, and at most {MAX_PIXELS:,}")
    return image


def is_grey(image: Any) -> bool:
    """Return whether a Pillow image has grey levels only."""
    return image.mode in ("1", "L", "LA", "I;16", "I", "F")


def to_pixels(image: Any, size: int, *, grey: bool) -> np.ndarray:
    """Decode an opened image to pixels of a square. It fills the square, so its aspect ratio is lost.

    The first frame of an animation is taken, transparent pixels become white, and a camera's rotation is applied.

    Returns:
        uint8, ``(size, size, 1)`` if ``grey``, else ``(size, size, 3)``.
    Raises:
        Unreadable: the pixels are damaged.
    """
    from PIL import Image, ImageOps

    mode = "L" if grey else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata
            # JPEG files are decoded at a reduced size.
            image.draft(mode, (2 * size, 2 * size))
            image = ImageOps.exif_transpose(image)
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            if image.mode.startswith("I"):
                # 16 bits a pixel: Pillow would clip them at 255.
                image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
            image = image.convert(mode)
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
            return np.asarray(image, dtype=np.uint8).reshape(size, size, 1 if grey else 3)
    except _errors() as error:
        raise Unreadable(_reason(error)) from None


def to_file(pixels: np.ndarray) -> bytes:
    """Encode pixels, uint8 ``(height, width, 1 or 3)``, as the bytes of a PNG file (small images) or a JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if max(pixels.shape) <= 32:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _errors() -> tuple[type[Exception], ...]:
    """Errors of Pillow's decoders for damaged files."""
    from PIL import Image

    return (
        OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError, EOFError, MemoryError,
        ZeroDivisionError, AttributeError, NotImplementedError, Image.DecompressionBombError,
    )  # fmt: skip


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is no image of a known format"
    return " ".join(str(error).split())[:200] or type(error).__name__

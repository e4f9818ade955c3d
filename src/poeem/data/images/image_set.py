"""ImageSet: images of one size, with names and class labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# A fifth of a user's own images are queries, as many as this at most.
QUERY_SHARE = 0.2
MAX_QUERIES = 10_000


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, with names and classes; some of them may be queries.

    Args:
        pixels: uint8, ``(n, height, width, channels)``, channels 1 (grey) or 3 (red, green, blue).
        names: a distinct name of each image (not checked), such as its path below the folder, ``n`` of them.
        labels: int64, ``(n,)``, the class of each image, -1 for none; None without classes. They are for evaluation
            only.
        classes: names of the classes.
        queries: int64, rows of the test queries, which are neither trained on nor found by queries. None: not chosen
            yet, see :func:`split_queries`.
        skipped: files that could not be read, each with the reason.
    Raises:
        ValueError: shapes do not match, there is no image, or an image has no pixels.
    """

    pixels: np.ndarray
    names: Sequence[str]
    labels: np.ndarray | None = None
    classes: Sequence[str] = ()
    queries: np.ndarray | None = None
    skipped: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
            raise ValueError(
                f"images must be uint8 of shape (n, height, width, 1 or 3), not {self.pixels.dtype}, {shape}"
            )
        if 0 in shape[1:3]:
            raise ValueError(f"images (shape {shape}) have no pixels; height and width must be at least 1")
        if len(self.names) != shape[0] or (self.labels is not None and len(self.labels) != shape[0]):
            raise ValueError(f"names and labels must be as many as the images (={shape[0]})")

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def gallery(self) -> np.ndarray:
        """Rows that are not queries, int64. They are trained on, and found by queries."""
        rows = np.ones(len(self), dtype=bool)
        if self.queries is not None:
            rows[self.queries] = False
        return np.flatnonzero(rows)


def split_queries(images: ImageSet, *, seed: int = 0) -> np.ndarray:
    """Choose a random fifth of the images, at least 1 and at most 10,000, as queries; rows ascending. Classes are not
    looked at.

    >>> len(split_queries(ImageSet(np.zeros((10, 4, 4, 1), np.uint8), list("abcdefghij"))))
    2
    """
    n = len(images)
    count = min(MAX_QUERIES, max(1, round(QUERY_SHARE * n)))
    return np.sort(np.random.default_rng(seed).permutation(n)[:count])

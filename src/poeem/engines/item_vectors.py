"""Read the items' float vectors, which some engines store beside the codes, and check that they match the codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.npy_file import map_npy
from poeem.data.tables import parquet_files
from poeem.data.vectors import read_vectors
from poeem.engines.reference import ReferenceScorer

_ROWS_AT_ONCE = 65536
_SAMPLE = 1000


def read_item_vectors(vectors: Any) -> Any:
    """Return the array of a ``.npy`` file or of Parquet files, mapped into memory, or a given array as it is.

    Raises:
        ValueError: the file holds no vectors.
    """
    if not isinstance(vectors, str | Path):
        return vectors
    if parquet_files(Path(vectors)) is not None:
        return read_vectors(vectors)
    try:
        return map_npy(Path(vectors))
    except ValueError as error:
        raise ValueError(f"vectors (={str(vectors)!r}) is no .npy file of numbers ({error})") from None


def check_item_vectors(bundle: Bundle, vectors: np.ndarray) -> None:
    """Raise an error if vectors are not those of the bundle's items, row by row.

    Raises:
        ValueError: a wrong shape or type, a row that is not finite or is zero under ``cosine``, or vectors that are no
            closer to their own decoded codes than to those of other items.
    """
    if vectors.shape != (len(bundle), bundle.dim) or vectors.dtype.kind != "f":
        raise ValueError(
            f"vectors must be floats of shape ({len(bundle)}, {bundle.dim}), one per item in the bundle's order, not "
            f"{vectors.dtype} of shape {vectors.shape}"
        )
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        block = vectors[first : first + _ROWS_AT_ONCE]
        wrong = ~np.isfinite(block).all(1) | ((bundle.metric == "cosine") & ~block.any(1))
        if wrong.any():
            raise ValueError(f"vectors: row {first + int(np.argmax(wrong))} is not finite, or zero under cosine")
    rows = np.unique(np.linspace(0, len(bundle) - 1, _SAMPLE, dtype=np.int64))
    sample = np.asarray(vectors[rows], dtype=np.float64)
    if bundle.metric == "cosine":
        sample /= np.linalg.norm(sample, axis=1, keepdims=True)
    decoded = ReferenceScorer(bundle).decode(rows).astype(np.float64)
    own = ((sample - decoded) ** 2).sum(1).mean()
    others = ((sample - np.roll(decoded, 1, axis=0)) ** 2).sum(1).mean()
    if len(rows) > 1 and own > 0 and own >= 0.95 * others:
        raise ValueError(
            f"vectors are not those of the bundle's items: they lie no nearer to their own codes (mean squared "
            f"distance {own:.3g}) than to others' ({others:.3g}); pass the vectors before the index, in the order of "
            "bundle.ids"
        )

"""The vectors beside the codes: candidates by the codes, their order by the vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer

if TYPE_CHECKING:
    import faiss

_ROWS_AT_ONCE = 65536
_SAMPLE = 1000


def refined_index(index: faiss.Index, bundle: Bundle, refine: str, vectors: np.ndarray, k_factor: float) -> faiss.Index:
    """An index of positions with the prepared vectors of the same positions.

    Args:
        index: of the codes, with positions for ids, behind the transforms.
        bundle: whose rotation and normalisation the vectors go through.
        refine: ``flat`` (float32), ``fp16`` or ``sq8``.
        vectors: ``(n, dim)``, in the bundle's order; may be mapped from a file.
        k_factor: candidates, in multiples of k.
    Raises:
        ValueError: the vectors are not those of the bundle's items.
    """
    import faiss

    check_item_vectors(bundle, vectors)
    metric = faiss.METRIC_L2 if bundle.metric == "l2" else faiss.METRIC_INNER_PRODUCT
    if refine == "flat":
        store = faiss.IndexFlat(bundle.dim, metric)
    else:
        kind = faiss.ScalarQuantizer.QT_fp16 if refine == "fp16" else faiss.ScalarQuantizer.QT_8bit
        store = faiss.IndexScalarQuantizer(bundle.dim, kind, metric)
        if refine == "sq8":
            faiss.copy_array_to_vector(_ranges(bundle, vectors), store.sq.trained)
        store.is_trained = True
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        store.add(prepared(bundle, vectors[first : first + _ROWS_AT_ONCE]))
    refined = faiss.IndexRefine(index, store)
    refined.k_factor = k_factor
    return refined


def prepared(bundle: Bundle, vectors: np.ndarray) -> np.ndarray:
    """Vectors as they are behind the transforms: of unit length under ``cosine``, rotated; float32 ``(n, dim)``."""
    rows = np.array(vectors, dtype=np.float32)
    if bundle.metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows @ bundle.arrays["rotation"]) if "rotation" in bundle.arrays else rows


def _ranges(bundle: Bundle, vectors: np.ndarray) -> np.ndarray:
    """What an 8-bit scalar quantizer has learned: the least value of each dimension, then the extent, float32."""
    low, high = np.full(bundle.dim, np.inf, np.float32), np.full(bundle.dim, -np.inf, np.float32)
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = prepared(bundle, vectors[first : first + _ROWS_AT_ONCE])
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    return np.concatenate([low, high - low])


def read_item_vectors(vectors: Any) -> Any:
    """Vectors of a ``.npy`` file, mapped, or the array as it is."""
    if not isinstance(vectors, str | Path):
        return vectors
    try:
        return np.load(vectors, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"vectors (={str(vectors)!r}) is no .npy file of numbers ({error})") from None


def check_item_vectors(bundle: Bundle, vectors: np.ndarray) -> None:
    """Refuse vectors that are not those which the codes stand for, row by row.

    Raises:
        ValueError: another shape, NaN, or rows that lie no nearer to their own codes than to others'.
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

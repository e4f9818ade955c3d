"""Build a refining index: codes find candidates, stored vectors rank them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.item_vectors import check_item_vectors

if TYPE_CHECKING:
    import faiss

_ROWS_AT_ONCE = 65536


def refined_index(index: faiss.Index, bundle: Bundle, refine: str, vectors: np.ndarray, k_factor: float) -> faiss.Index:
    """Return an `IndexRefine` of an index of codes and of the items' vectors.

    Args:
        index: the faiss index of the codes, without transforms, with positions as ids.
        bundle: the bundle; its normalisation and rotation are applied to the vectors.
        refine: type of the stored vectors: ``flat`` (float32), ``fp16`` or ``sq8``.
        vectors: ``(n, dim)``, in the bundle's order; may be mapped from a file.
        k_factor: candidates ranked again, in multiples of k.
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
    """Normalise vectors under ``cosine``, rotate them, and return float32 ``(n, dim)``."""
    rows = np.array(vectors, dtype=np.float32)
    if bundle.metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows @ bundle.arrays["rotation"]) if "rotation" in bundle.arrays else rows


def _ranges(bundle: Bundle, vectors: np.ndarray) -> np.ndarray:
    """The parameters of an 8-bit scalar quantizer: the least value of each dimension, then the extent, float32."""
    low, high = np.full(bundle.dim, np.inf, np.float32), np.full(bundle.dim, -np.inf, np.float32)
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = prepared(bundle, vectors[first : first + _ROWS_AT_ONCE])
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    return np.concatenate([low, high - low])

"""Find rows that faiss itself added to an additive index; faiss chooses each codeword alone, which is wrong there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.encoder import Encoder
from poeem.engines.reference import sum_codewords

_ROWS_AT_ONCE = 8192
# Errors of one row by two codes that differ by less are a tie.
_TIE = 1.01


def rows_assigned_by_faiss(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """Return the rows whose codes are those of faiss's own ``add`` and worse than ours, int64 ``(m,)``.

    In an index of repeated dimensions (`poeem.engines.faiss.repeated`) faiss compares each codebook with the whole
    vector, and the first codebook with its residual.

    Args:
        bundle: an index with additive codes.
        items: float32, ``(n, dim)``, in the order of its rows; of unit length under ``cosine``.
    """
    found = [np.empty(0, np.int64)]
    for first in range(0, len(items), _ROWS_AT_ONCE):
        some = slice(first, min(first + _ROWS_AT_ONCE, len(items)))
        rows = first + _as_by_add(bundle, items[some], some)
        found.append(rows[_is_worse(bundle, items[rows], rows)] if len(rows) else rows)
    return np.concatenate(found)


def _as_by_add(bundle: Bundle, vectors: np.ndarray, some: slice) -> np.ndarray:
    """Positions among ``vectors`` whose codewords are each the nearest one by itself."""
    codes, left = bundle.codes[some], np.arange(len(vectors))
    for m, codewords in enumerate(bundle.arrays["codebooks"]):
        target = vectors[left]
        if m == 0 and bundle.lists is not None:
            target = target - bundle.arrays["coarse"][bundle.lists[some][left]]
        nearest = (np.square(codewords).sum(1) / 2 - target @ codewords.T).argmin(1)
        left = left[nearest == codes[left, m]]
    return left


def _is_worse(bundle: Bundle, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether the stored codes reconstruct worse than those of our encoder."""
    codes, lists = Encoder(bundle).encode(np.ascontiguousarray(vectors))
    own = replace(bundle, ids=bundle.ids[rows], codes=codes, lists=lists)
    stored = replace(own, codes=bundle.codes[rows], lists=None if bundle.lists is None else bundle.lists[rows])
    return _errors(stored, vectors) > _TIE * _errors(own, vectors)


def _errors(bundle: Bundle, vectors: np.ndarray) -> np.ndarray:
    decoded = sum_codewords(bundle.arrays["codebooks"], bundle.codes)
    if bundle.lists is not None:
        decoded = decoded + bundle.arrays["coarse"][bundle.lists]
    return np.square(vectors - decoded).sum(1)

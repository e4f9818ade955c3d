"""LSH: signs after a random rotation, compared by Hamming distance; nothing is trained."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.evaluation.scorers import prepared


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build faiss's ``IndexLSH`` with ``M * nbits`` bits, rounded up to whole bytes.

    There are no lists: every item is compared, whatever ``nlist`` and ``nprobe``. Signs keep angles only: under ``ip``
    and ``l2`` the lengths of the vectors are lost.

    Args:
        items: float, ``(n, dim)``.
        options: the bytes, the metric, and the seed of the rotation.
    Returns:
        the baseline.
    Raises:
        ValueError: a vector is not finite.
    Source:
        Charikar, "Similarity estimation techniques from rounding algorithms", 2002.
    """
    import faiss

    vectors = prepared(items, options.metric, "items")
    n_bytes = options.n_bytes
    start = time.perf_counter()
    index = faiss.IndexLSH(vectors.shape[1], 8 * n_bytes, True, False)
    index.rrot.init(options.seed)
    index.add(vectors)
    seconds = time.perf_counter() - start
    codes = faiss.vector_to_array(index.codes).reshape(len(vectors), n_bytes)
    return Baseline("lsh", f"LSH{8 * n_bytes}", HammingScorer(index, codes), n_bytes, seconds, index=index)


class HammingScorer:
    """A scorer by the negated Hamming distance between the codes of queries and items.

    Args:
        index: encodes vectors to packed bits (``sa_encode``).
        codes: uint8, ``(n, n_bytes)``.
    """

    def __init__(self, index: Any, codes: np.ndarray) -> None:
        self.index = index
        self.signs = _signs(codes)

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items: ``(b, dim)`` to float32 ``(b, n)``, whole numbers from ``-bits`` to 0."""
        queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
        # <s, s'> = bits - 2 Hamming for signs of ±1: exact in float32, and a matrix product.
        return (_signs(self.index.sa_encode(queries)) @ self.signs.T - self.signs.shape[1]) / 2


def _signs(codes: np.ndarray) -> np.ndarray:
    return np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1

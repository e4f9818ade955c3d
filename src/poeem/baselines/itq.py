"""ITQ: signs after PCA and a rotation that brings the vectors near the signs; compared by Hamming distance."""

from __future__ import annotations

import time

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.baselines.lsh import HammingScorer
from poeem.evaluation.scorers import prepared

# More rows do not change the rotation; PCA and 50 rounds over all of them would take minutes.
TRAINING_ROWS = 50_000


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build faiss's ``ITQ{bits},LSH`` with ``M * nbits`` bits, rounded up to whole bytes.

    Args:
        items: float, ``(n, dim)``, ``dim`` at least the number of bits.
        options: the bytes, the metric, and the seed.
    Raises:
        ValueError: vectors that are not finite, or narrower than the number of bits.
    Source:
        Gong, Lazebnik, Gordo, Perronnin, "Iterative quantization", TPAMI 2013.
    """
    import faiss

    vectors = prepared(items, options.metric, "items")
    bits = 8 * options.n_bytes
    if vectors.shape[1] < bits:
        raise ValueError(
            f"dim (={vectors.shape[1]}) must be at least {bits} bits for baseline 'itq'; leave it out, or use lsh"
        )
    structure = f"ITQ{bits},LSH"
    start = time.perf_counter()
    index = faiss.index_factory(vectors.shape[1], structure)
    transform = faiss.downcast_VectorTransform(index.chain.at(0))
    transform.itq.seed = options.seed + 1  # pyright: ignore[reportAttributeAccessIssue]
    rows = np.random.default_rng(options.seed).permutation(len(vectors))[:TRAINING_ROWS]
    index.train(vectors[np.sort(rows)])
    index.add(vectors)
    seconds = time.perf_counter() - start
    inner = faiss.downcast_index(index.index)
    codes = faiss.vector_to_array(inner.codes).reshape(len(vectors), options.n_bytes)
    return Baseline("itq", structure, HammingScorer(index, codes), options.n_bytes, seconds, index=index)

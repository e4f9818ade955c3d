"""Truncation: PQ on the leading principal axes only."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.baselines.faiss_build import (
    check_items,
    decoded_scorer,
    faiss_metric,
    structure_of,
    train_and_add,
)
from poeem.evaluation.scorers import prepared

SHARE = 0.9


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build a PQ on the axes that hold 90 % of the energy, rotated at random so that every slice gets an equal share.

    In faiss it is ``PCAR{k},PQ{M}x{nbits}np`` (``PCAR{k},IVF{nlist},...`` with lists), with two differences that make
    it fair. The axes are those of ``XᵀX``, not centred, because an inner product has no origin to move. The number of
    axes ``k``, a multiple of ``M``, follows the data.

    Args:
        items: float, ``(n, dim)``.
        options: bytes, lists, metric, and the seed of the rotation and the k-means.
    Returns:
        the baseline.
    Raises:
        ValueError: ``M`` is greater than dim, there are fewer items than centroids, or a vector is not finite.
    Source:
        Jégou, Douze, Schmid, Pérez, "Aggregating local descriptors into a compact image representation", 2010,
        section 3 (truncation, random rotation and PQ at one number of bytes).
    """
    import faiss

    vectors, M, nbits = prepared(items, options.metric, "items"), options.M, options.nbits
    n, dim = vectors.shape
    if dim < M:
        raise ValueError(f"M (={M}) must be at most dim (={dim}) for baseline 'truncate-pq'; leave it out, or use rq")
    check_items("truncate-pq", n, nbits=nbits, nlist=options.nlist)
    start = time.perf_counter()
    projection = leading_axes(vectors, M, options.seed)
    k = len(projection)
    # The index behind a transformation keeps a reference to both.
    first: Any = faiss.LinearTransform(dim, k, False)
    faiss.copy_array_to_vector(projection.ravel(), first.A)
    first.is_trained = first.is_orthonormal = True
    second = faiss.index_factory(k, structure_of(f"PQ{M}x{nbits}np", options.nlist), faiss_metric(options.metric))
    index = faiss.IndexPreTransform(first, second)
    train_and_add(index, vectors, M=M, nbits=nbits, seed=options.seed)
    seconds = time.perf_counter() - start
    structure = structure_of(f"PQ{M}x{nbits}np", options.nlist, rotation=f"PCAR{k}")
    return Baseline("truncate-pq", structure, decoded_scorer(index, n, options), options.n_bytes, seconds, index=index)


def leading_axes(vectors: np.ndarray, M: int, seed: int) -> np.ndarray:
    """Return orthonormal rows that hold :data:`SHARE` of the energy of the vectors, in a random basis.

    Args:
        vectors: float32, ``(n, dim)``.
        M: divides the number of rows.
        seed: of the random basis.
    Returns:
        float32, ``(k, dim)``.
    """
    energies, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    energies, axes = energies[::-1], axes[:, ::-1]
    share = np.cumsum(energies) / energies.sum()
    enough = int(np.searchsorted(share, SHARE)) + 1
    k = min(-(-enough // M), vectors.shape[1] // M) * M
    # Without it the first slices would have nearly all of the energy, with no more bits than the others.
    mixing, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))
    return np.ascontiguousarray((axes[:, :k] @ mixing).T, dtype=np.float32)

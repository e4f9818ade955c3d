"""The nearest images of each image, whose views are taken for views of the same thing."""

from __future__ import annotations

import faiss
import numpy as np

from poeem.functional.unit_length import unit_rows

# Principal components of the descriptors in which neighbours are searched.
COMPONENTS = 96
SAMPLE = 20_000
# From this many images on lists are searched: each image takes some of them instead of all images.
LISTS_FROM, LISTS, VISITED = 20_000, 256, 8


def nearest_rows(descriptors: np.ndarray, k: int, *, seed: int = 0) -> np.ndarray:
    """Find the ``k`` nearest other rows of each row, by the cosine of their first 96 principal components.

    From 20,000 rows on the search is approximate (256 lists, 8 visited).

    Args:
        descriptors: float, ``(n, width)``; not of unit length, their mean is subtracted here.
        k: neighbours of each row, at most ``n - 1``.
        seed: of the sample for the components and of the lists.
    Returns:
        int64, ``(n, k)``, nearest first. If fewer are found, the row itself stands in for the others.
    Raises:
        ValueError: ``k`` is out of range.
    """
    n = len(descriptors)
    if not 1 <= k < n:
        raise ValueError(f"neighbours (={k}) must be at least 1 and below the number of images (={n})")
    centred = descriptors - descriptors.mean(0)
    sample = centred[np.random.default_rng(seed).permutation(n)[:SAMPLE]]
    # The eigenvectors of the largest eigenvalues are the last.
    components = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :COMPONENTS]
    vectors = np.ascontiguousarray(unit_rows(centred @ components), dtype=np.float32)
    index = _index(vectors, seed)
    _, found = index.search(vectors, k + 1)
    return _without_self(found, k)


def _index(vectors: np.ndarray, seed: int) -> faiss.Index:
    dim = vectors.shape[1]
    index: faiss.Index = faiss.IndexFlatIP(dim)
    if len(vectors) >= LISTS_FROM:
        index = faiss.IndexIVFFlat(index, dim, LISTS, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed, index.nprobe = seed + 1, VISITED
        index.train(vectors[:SAMPLE])
    index.add(vectors)
    return index


def _without_self(found: np.ndarray, k: int) -> np.ndarray:
    """Remove each row from its own neighbours; -1, which stands for none, becomes the row itself."""
    rows = np.arange(len(found))[:, None]
    # A stable sort puts the row itself last, if it is there, and else drops the farthest.
    order = np.argsort(found == rows, axis=1, kind="stable")[:, :k]
    nearest = np.take_along_axis(found, order, axis=1)
    return np.where(nearest < 0, rows, nearest)

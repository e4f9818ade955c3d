"""The layout of a trained index in Lance, which has no rotation, no flat PQ and, under ``dot``, no residuals.

=================  =====================================  ==========================================
index              in Lance                               ``_distance``
=================  =====================================  ==========================================
``l2``, lists      ``l2``                                 ``‖q - x_hat‖²``
``l2``, flat       ``l2``, one list with centroid 0       ``‖q - x_hat‖²``
``ip``, flat       ``dot``, one list                      ``1 - <q, x_hat>``
``ip``, lists      ``l2``, vectors lifted (see below)     ``‖q‖² + lift - 2 <q, x_hat>``
=================  =====================================  ==========================================

``cosine`` is ``ip`` of queries and items of unit length. Vectors and queries are rotated before they are passed on.

The lift turns inner products into L2 distances. ``lift`` is a squared norm that no vector exceeds. Extra dimensions, 0
in every query, raise the squared norm of each vector to ``lift``. In the index, extra codewords of each code do this
for ``x_hat``, as a number of 24 bits, which keeps score errors below 1e-5. In the stored vectors, one extra value does
it for ``x``, so that ranking again by vectors is exact too.

Source: Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
spaces", 2014 (for the vectors).
"""

from __future__ import annotations

import numpy as np

from poeem.spec import IndexSpec

ID, LIST, CODE, VECTOR, DISTANCE = "id", "list", "code", "vector", "_distance"
INDEX = "vector_idx"

_LIFT_BITS = 24
# Scaled queries: under `dot` so long that the 1 in ``1 - <q, x_hat>`` takes no digits from the score, lifted as long
# as the vectors, where float32 loses least in the sum of all terms.
_DOT_NORM, _LIFTED_NORM = 2.0**20, 1.0


def lifted(spec: IndexSpec, metric: str) -> bool:
    """Return whether inner products are turned into L2 distances for this index.

    >>> lifted(IndexSpec.parse("IVF4,PQ2"), "cosine"), lifted(IndexSpec.parse("PQ2"), "cosine")
    (True, False)
    """
    return bool(spec.nlist) and metric != "l2"


def lance_metric(spec: IndexSpec, metric: str) -> str:
    """Return the metric that Lance uses for this index: ``l2`` or ``dot``."""
    return "l2" if metric == "l2" or spec.nlist else "dot"


def lift_codewords(spec: IndexSpec, metric: str) -> int:
    """Return the number of extra codewords per code that store the lift, 24 bits in total; 0 without a lift.

    >>> lift_codewords(IndexSpec.parse("IVF4,PQ2"), "ip"), lift_codewords(IndexSpec.parse("IVF4,PQ2x4"), "ip")
    (3, 6)
    """
    return _LIFT_BITS // spec.nbits if lifted(spec, metric) else 0


def stored_dim(spec: IndexSpec, metric: str, dim: int) -> int:
    """Return the width of the vectors in the dataset: ``dim``, plus the extra dimensions of a lift."""
    return dim + lift_codewords(spec, metric) * spec.dsub(dim)


def lift_codebooks(spec: IndexSpec, dim: int, lift: float) -> np.ndarray:
    """Return the extra codebooks that store the lift, float32 ``(digits, ksub, dsub)``.

    Codeword k of digit i (from 1) has the squared norm ``k lift / ksub^i``.

    >>> lift_codebooks(IndexSpec.parse("IVF4,PQ1x4"), dim=1, lift=16.0)[:2, 4, 0]
    array([2. , 0.5], dtype=float32)
    """
    digits = _LIFT_BITS // spec.nbits
    books = np.zeros((digits, spec.ksub, spec.dsub(dim)))
    for digit in range(digits):
        books[digit, :, 0] = np.sqrt(np.arange(spec.ksub) * lift / float(spec.ksub) ** (digit + 1))
    return books.astype(np.float32)


def lift_codes(spec: IndexSpec, squared_norms: np.ndarray, lift: float) -> np.ndarray:
    """Return extra codeword numbers, uint8 ``(n, digits)``, that raise squared norms ``(n,)`` of ``x_hat`` to ``lift``.

    >>> lift_codes(IndexSpec.parse("IVF4,PQ1x4"), np.array([12.0, 15.0]), lift=16.0)
    array([[4, 0, 0, 0, 0, 0],
           [1, 0, 0, 0, 0, 0]], dtype=uint8)
    """
    count, levels = _LIFT_BITS // spec.nbits, 2**_LIFT_BITS
    missing = np.clip(np.round((lift - squared_norms) / lift * levels), 0, levels - 1).astype(np.int64)
    digits = [missing >> spec.nbits * (count - 1 - digit) & spec.ksub - 1 for digit in range(count)]
    return np.stack(digits, axis=1).astype(np.uint8)


def lift_vectors(spec: IndexSpec, rows: np.ndarray, lift: float) -> np.ndarray:
    """Append the extra dimensions to vectors ``(n, dim)``; return float32 ``(n, stored_dim(...))``.

    The first extra value raises the squared norm to ``lift``, the others are 0.

    >>> lift_vectors(IndexSpec.parse("IVF4,PQ2"), np.float32([[3.0, 0.0]]), lift=25.0)
    array([[3., 0., 4., 0., 0.]], dtype=float32)
    """
    dim = rows.shape[1]
    result = np.zeros((len(rows), stored_dim(spec, "ip", dim)), dtype=np.float32)
    result[:, :dim] = rows
    norms = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
    result[:, dim] = np.sqrt(np.maximum(lift - norms, 0))
    return result


def query_scales(norms: np.ndarray, spec: IndexSpec, metric: str, lift: float) -> np.ndarray:
    """Return factors for queries with these norms ``(nq,)``: powers of two, float64 ``(nq,)``; 1 under ``l2``.

    Queries are multiplied by them before Lance searches, so that scores lose few digits in float32.

    >>> query_scales(np.array([2.0, 0.0]), IndexSpec.parse("PQ2"), "ip", lift=0.0).tolist()
    [524288.0, 1.0]
    """
    if metric == "l2":
        return np.ones(len(norms))
    target = _LIFTED_NORM * lift**0.5 if lifted(spec, metric) else _DOT_NORM
    some = norms > 0
    return np.where(some, 2.0 ** np.round(np.log2(target / np.where(some, norms, target))), 1.0)


def scores_from(
    distances: np.ndarray, queries: np.ndarray, scales: np.ndarray, spec: IndexSpec, metric: str, lift: float
) -> np.ndarray:
    """Compute our scores from Lance's distances.

    Args:
        distances: float32 ``(nq, k)``; infinite if nothing was found.
        queries: the queries as passed to Lance, ``(nq, stored_dim(...))``.
        scales: the factors of `query_scales` in them, ``(nq,)``.
        spec, metric, lift: those of the index.
    Returns:
        float32 ``(nq, k)``.
    """
    if metric == "l2":
        return distances
    wide = distances.astype(np.float64)
    if lifted(spec, metric):
        wide = (np.einsum("nd,nd->n", queries, queries, dtype=np.float64)[:, None] + lift - wide) / 2
    else:
        wide = 1 - wide
    return (wide / scales[:, None]).astype(np.float32)

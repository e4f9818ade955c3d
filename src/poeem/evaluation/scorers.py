"""Scorers: they take query vectors and return a score for each item of the catalogue. Larger is better for every
metric.

Under ``l2`` a score is the negated squared distance. Only the evaluation negates it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from poeem.functional.threads import for_spans
from poeem.functional.unit_length import row_lengths
from poeem.metric import check_metric

# float64 numbers of a block of items, and of its scores: 2 MiB, which stay in a core's second-level cache.
_BLOCK_NUMBERS = 2**18


class Scorer(Protocol):
    """Protocol of an object that scores the whole catalogue."""

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items.

        Args:
            query_vectors: float, ``(b, dim)``.
        Returns:
            a new array, float32 ``(b, n_items)``; ``-inf`` where an item cannot be returned.
        """
        ...


@dataclass(eq=False)
class FloatScorer:
    """A scorer by exact scores of float item vectors.

    Args:
        items: float, ``(n, dim)``; normalised here under ``cosine``, as queries are.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        available: bool, ``(n,)``: items that may be returned; the others score ``-inf``. Default all.
    Raises:
        ValueError: the metric is unknown, a vector is not finite, or a vector is zero under ``cosine``.

    >>> FloatScorer(np.array([[3.0, 4.0], [0.0, 2.0]]), "cosine").scores(np.array([[0.0, 5.0]]))
    array([[0.8, 1. ]], dtype=float32)
    """

    items: np.ndarray
    metric: str
    available: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.items = prepared(self.items, self.metric, "items")
        self.available = _checked_available(self.available, len(self.items))

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items.

        Args:
            query_vectors: float, ``(b, dim)``.
        Returns:
            float32, ``(b, n)``.
        """
        scores = pairwise_scores(prepared(query_vectors, self.metric, "query_vectors"), self.items, self.metric)
        if self.available is not None:
            scores[:, ~self.available] = -np.inf
        return scores


@dataclass(eq=False)
class DecodedScorer:
    """A scorer by the scores of an index: queries against decoded vectors. With lists only the ``nprobe`` nearest lists
    are scored.

    Decoded vectors are not normalised. Queries are normalised under ``cosine``.

    Args:
        decoded: float, ``(n, dim)``: the decoded codes, in the space of the queries.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        coarse: centroids ``(nlist, dim)`` in the same space; for a bundle see :func:`coarse_for_queries`.
        lists: the list of each item, ``(n,)``.
        nprobe: lists visited per query; default all.
        available: items that may be returned, see :class:`FloatScorer`.
        bias: added to the score of each item, ``(n,)``, for engines whose estimate has such a term.
        adapter: query adapter, ``(dim, dim)``; queries are multiplied by it from the right, after normalisation.
        probe_metric: metric by which lists are chosen; default ``metric``.
    Raises:
        ValueError: the metric is unknown, a vector is not finite, or ``coarse``, ``lists`` and ``nprobe`` do not match.
    """

    decoded: np.ndarray
    metric: str
    coarse: np.ndarray | None = None
    lists: np.ndarray | None = None
    nprobe: int | None = None
    available: np.ndarray | None = None
    bias: np.ndarray | None = None
    adapter: np.ndarray | None = None
    probe_metric: str = ""

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if (self.coarse is None) != (self.lists is None):
            raise ValueError("coarse and lists belong together; give both, or neither for a flat index")
        nlist = 0 if self.coarse is None else len(self.coarse)
        if self.nprobe is not None and not 1 <= self.nprobe <= nlist:
            raise ValueError(f"nprobe (={self.nprobe}) must be 1 to nlist (={nlist})")
        self.decoded = _finite(self.decoded, "decoded")
        self.coarse = None if self.coarse is None else _finite(self.coarse, "coarse")
        self.lists = None if self.lists is None else np.asarray(self.lists, dtype=np.int64)
        self.available = _checked_available(self.available, len(self.decoded))
        self.bias = None if self.bias is None else np.asarray(self.bias, dtype=np.float32)
        self.probe_metric = self.probe_metric or self.metric
        if self.lists is not None and self.lists.shape != (len(self.decoded),):
            raise ValueError(
                f"lists must have a number for each of the {len(self.decoded)} items, got {self.lists.shape}"
            )

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items.

        Args:
            query_vectors: float, ``(b, dim)``.
        Returns:
            float32, ``(b, n)``; ``-inf`` for items of lists that are not visited.
        """
        queries = self._queries(query_vectors)
        scores = pairwise_scores(queries, self.decoded, self.metric)
        if self.bias is not None:
            scores += self.bias
        if self.coarse is not None and self.nprobe is not None and self.nprobe < len(self.coarse):
            scores[~self._probed(queries)[:, self.lists]] = -np.inf
        if self.available is not None:
            scores[:, ~self.available] = -np.inf
        return scores

    def with_nprobe(self, nprobe: int | None) -> DecodedScorer:
        """Return a scorer of the same arrays, not copied, that visits another number of lists."""
        return dataclasses.replace(self, nprobe=nprobe)

    def scanned(self, query_vectors: np.ndarray) -> np.ndarray:
        """Count the codes that a search compares with each query: the items of the lists that it visits.

        Args:
            query_vectors: float, ``(b, dim)``.
        Returns:
            int64, ``(b,)``.

        >>> vectors = np.array([[1.0, 0.0], [0.9, 0.0], [0.0, 1.0]])
        >>> DecodedScorer(vectors, "ip", coarse=np.eye(2), lists=np.array([0, 0, 1]), nprobe=1).scanned(vectors[[0, 2]])
        array([2, 1])
        """
        queries = self._queries(query_vectors)
        if self.coarse is None or self.lists is None or self.nprobe is None or self.nprobe >= len(self.coarse):
            return np.full(len(queries), len(self.decoded))
        return self._probed(queries) @ np.bincount(self.lists, minlength=len(self.coarse))

    def scanned_share(self, query_vectors: np.ndarray) -> float:
        """Compute the mean of ``scanned`` as a share of all codes, 0 to 1."""
        return float(self.scanned(query_vectors).mean() / len(self.decoded))

    def _queries(self, query_vectors: np.ndarray) -> np.ndarray:
        queries = prepared(query_vectors, self.metric, "query_vectors")
        return queries if self.adapter is None else queries @ self.adapter

    def _probed(self, queries: np.ndarray) -> np.ndarray:
        """bool, ``(b, nlist)``."""
        assert self.coarse is not None
        assert self.nprobe is not None
        closeness = pairwise_scores(queries, self.coarse, self.probe_metric)
        probed = np.zeros(closeness.shape, dtype=bool)
        np.put_along_axis(probed, np.argpartition(-closeness, self.nprobe - 1, axis=1)[:, : self.nprobe], True, axis=1)
        return probed


def coarse_for_queries(arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the centroids of a bundle in the space of the queries. The bundle stores them rotated.

    Args:
        arrays: those of the bundle.
    Returns:
        ``coarse @ R.T``, float32 ``(nlist, dim)``, or ``coarse`` without a rotation; None for a flat index.
    """
    coarse = arrays.get("coarse")
    return coarse if coarse is None or "rotation" not in arrays else coarse @ arrays["rotation"].T


def pairwise_scores(queries: np.ndarray, items: np.ndarray, metric: str) -> np.ndarray:
    """Score all pairs of queries and items: ``<q, x>``, or ``-‖q - x‖²`` under ``l2``.

    Sums are float64 and rounded once. The last bits of a float32 product depend on the processor and on the place of
    the vectors in the matrix, so near-ties would be ordered by those bits, and a metric would not be the same
    everywhere.

    Args:
        queries: float32, ``(b, dim)``.
        items: float32, ``(n, dim)``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``, for which vectors must have unit length.
    Returns:
        float32, ``(b, n)``.

    >>> pairwise_scores(np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 0.5]], np.float32), "l2")
    array([[-6.25]], dtype=float32)
    """
    scores = np.empty((len(queries), len(items)), dtype=np.float32)
    wide = torch.from_numpy(queries.astype(np.float64))
    query_norms = wide.square().sum(1, keepdim=True)
    rows = max(64, _BLOCK_NUMBERS // max(1, *wide.shape))

    def score(span: slice) -> None:
        # The blocks share these buffers: new ones for each block would take most of the time.
        copy = torch.empty(rows, items.shape[1], dtype=torch.float64)
        result = torch.empty(len(queries) * rows, dtype=torch.float64)
        for start in range(span.start, span.stop, rows):
            part = items[start : min(start + rows, span.stop)]
            block = copy[: len(part)]
            block.numpy()[...] = part
            shape = len(queries), len(part)
            products = torch.mm(wide, block.T, out=result[: shape[0] * shape[1]].view(shape))
            if metric == "l2":
                products.mul_(2).sub_(block.square().sum(1)).sub_(query_norms)
            scores[:, start : start + len(part)] = products.numpy()

    span = max(rows, -(-len(items) // torch.get_num_threads()))
    for_spans(score, len(items), span=span, device=wide.device)
    return scores


def prepared(vectors: np.ndarray, metric: str, name: str) -> np.ndarray:
    """Check that vectors are finite, and return them as float32; under ``cosine`` with unit length.

    Raises:
        ValueError: a vector is not finite, or zero under ``cosine``.
    """
    check_metric(metric)
    vectors = _finite(vectors, name)
    if metric != "cosine":
        return vectors
    norms = row_lengths(vectors)
    if np.any(norms == 0):
        raise ValueError(f"{name}: row {int(np.argmin(norms))} is a zero vector, which has no cosine; leave it out")
    return (vectors / norms).astype(vectors.dtype, copy=False)


def _finite(vectors: np.ndarray, name: str) -> np.ndarray:
    # What no float32 can hold becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"{name} must be (n, dim), got shape {vectors.shape}")
    finite = np.isfinite(vectors).all(1)
    if not finite.all():
        raise ValueError(f"{name}: row {int(np.argmin(finite))} holds NaN or infinity; fix or drop it")
    return vectors


def _checked_available(available: np.ndarray | None, n: int) -> np.ndarray | None:
    if available is None:
        return None
    available = np.asarray(available)
    if available.dtype != bool or available.shape != (n,):
        raise ValueError(f"available must be bool, ({n},), got {available.dtype}, {available.shape}")
    return available

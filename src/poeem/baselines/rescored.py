"""Rescoring: the best candidates by codes, re-ranked by exact float scores."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, Searchable
from poeem.baselines.faiss_build import faiss_metric
from poeem.evaluation.neighbours import exact_neighbours
from poeem.evaluation.scorers import Scorer, prepared


def rescored(baseline: Baseline, vectors: np.ndarray, depth: int, *, metric: str) -> Baseline:
    """Return a baseline whose ``depth`` best items of each query are ranked again by the float vectors, as faiss's
    refine does.

    Items past ``depth`` are not returned at all. The float vectors must be stored where they can be read;
    ``bytes_per_vector`` is still that of the codes that are scanned. If the engine has its own re-ranking
    (``rescored(depth)``), that is used.

    Args:
        baseline: gives the candidates.
        vectors: float, ``(n, dim)``: the items it was built on.
        depth: candidates per query (faiss's ``k * k_factor``).
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
    Returns:
        the re-ranked baseline.
    Raises:
        ValueError: ``depth`` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth (={depth}) of rescoring must be at least 1; leave it out for none")
    exact = ExactScores(vectors, metric)
    own = getattr(baseline.index, "rescored", None)
    if baseline.index is None:
        index = None
    else:
        index = RescoredIndex(baseline.index, exact, depth) if own is None else own(depth)
    return dataclasses.replace(baseline, scorer=RescoredScorer(baseline.scorer, exact, depth), index=index)


class ExactScores:
    """Exact scores of some items of every query, computed by faiss's own loop over candidates.

    Args:
        vectors: float, ``(n, dim)``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
    """

    def __init__(self, vectors: np.ndarray, metric: str) -> None:
        import faiss

        self.metric = metric
        self._index: Any = faiss.IndexFlat(vectors.shape[1], faiss_metric(metric))
        self._index.add(prepared(vectors, metric, "vectors"))

    def of(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Score candidates.

        Args:
            queries: ``(b, dim)``, from ``scorers.prepared``.
            rows: int64, ``(b, depth)``.
        Returns:
            float32, ``(b, depth)``, larger is better; -inf for row -1.
        """
        import faiss

        queries, rows = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(rows, np.int64)
        scores = np.empty(rows.shape, dtype=np.float32)
        pointers = [faiss.swig_ptr(array) for array in (queries, scores, rows)]
        self._index.compute_distance_subset(len(queries), pointers[0], rows.shape[1], pointers[1], pointers[2])
        return -scores if self.metric == "l2" else scores


class RescoredScorer:
    """A scorer with exact scores of the ``depth`` best items by another scorer, and ``-inf`` elsewhere.

    If several items of equal score are at the cut, it is undefined which are taken, as in an engine.

    Args:
        scorer: ranks the candidates.
        exact: scores them.
        depth: candidates per query.
    """

    def __init__(self, scorer: Scorer, exact: ExactScores, depth: int) -> None:
        self.scorer, self.exact, self.depth = scorer, exact, depth

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items: ``(b, dim)`` to float32 ``(b, n)``."""
        coarse = self.scorer.scores(query_vectors)
        rows = exact_neighbours(coarse, self.depth)
        fine = self.exact.of(prepared(query_vectors, self.exact.metric, "query_vectors"), rows)
        fine[np.isneginf(np.take_along_axis(coarse, rows, axis=1))] = -np.inf
        scores = np.full(coarse.shape, -np.inf, dtype=np.float32)
        np.put_along_axis(scores, rows, fine, axis=1)
        return scores


class RescoredIndex:
    """An index whose candidates are ranked again by float vectors. Its arguments are those of `RescoredScorer`."""

    def __init__(self, index: Searchable, exact: ExactScores, depth: int) -> None:
        self.index, self.exact, self.depth = index, exact, depth

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for queries ``(b, dim)``.

        Returns:
            scores, larger is better under every metric, and rows, both ``(b, min(k, depth))``.
        """
        _, rows = self.index.search(x, self.depth)
        scores = self.exact.of(x, rows)
        order = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

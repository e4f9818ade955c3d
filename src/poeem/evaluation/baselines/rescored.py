"""Rescoring: the best candidates by codes, put in order by exact float scores."""

from __future__ import annotations

import dataclasses

import numpy as np

from poeem.evaluation.baselines.baseline import Baseline, Searchable
from poeem.evaluation.scorers import Scorer, prepared


def rescored(baseline: Baseline, vectors: np.ndarray, depth: int, *, metric: str) -> Baseline:
    """The baseline with its ``depth`` best items of a query re-ranked by the float vectors, as faiss's refine does.

    Items past ``depth`` are not returned at all. The price is the float vectors, kept somewhere they can be read from;
    ``bytes_per_vector`` is still that of the codes that are scanned.

    Args:
        baseline: gives the candidates.
        vectors: float, ``(n, dim)``: what it was built on.
        depth: candidates a query (faiss's ``k * k_factor``).
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
    Raises:
        ValueError: ``depth`` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth (={depth}) of rescoring must be at least 1; leave it out for none")
    exact = prepared(vectors, metric, "vectors")
    index = None if baseline.index is None else RescoredIndex(baseline.index, exact, metric, depth)
    return dataclasses.replace(baseline, scorer=RescoredScorer(baseline.scorer, exact, metric, depth), index=index)


class RescoredScorer:
    """Exact scores of the ``depth`` best by another scorer, ``-inf`` elsewhere.

    Where equal scores straddle the cut, which of them come in is arbitrary, as in an engine.

    Args:
        scorer: ranks the candidates.
        exact: float32, ``(n, dim)``, prepared.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        depth: candidates a query.
    """

    def __init__(self, scorer: Scorer, exact: np.ndarray, metric: str, depth: int) -> None:
        self.scorer, self.exact, self.metric, self.depth = scorer, exact, metric, depth

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """``(b, dim)`` -> float32 ``(b, n)``."""
        coarse = self.scorer.scores(query_vectors)
        n = coarse.shape[1]
        depth = min(self.depth, n)
        rows = np.argpartition(coarse, n - depth, axis=1)[:, n - depth :]
        fine = candidate_scores(prepared(query_vectors, self.metric, "query_vectors"), self.exact, rows, self.metric)
        fine[np.isneginf(np.take_along_axis(coarse, rows, axis=1))] = -np.inf
        scores = np.full(coarse.shape, -np.inf, dtype=np.float32)
        np.put_along_axis(scores, rows, fine, axis=1)
        return scores


class RescoredIndex:
    """An index whose candidates are re-ranked by float vectors; the arguments are those of the scorer."""

    def __init__(self, index: Searchable, exact: np.ndarray, metric: str, depth: int) -> None:
        self.index, self.exact, self.metric, self.depth = index, exact, metric, depth

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """``(b, dim)`` -> scores, larger is better under every metric, and rows, ``(b, min(k, depth))``."""
        _, rows = self.index.search(x, self.depth)
        scores = candidate_scores(x, self.exact, rows, self.metric)
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def candidate_scores(queries: np.ndarray, items: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Scores of some items of every query: ``(b, dim)``, ``(n, dim)``, ``(b, depth)`` -> float32 ``(b, depth)``."""
    scores = np.empty(rows.shape, dtype=np.float32)
    # One query at a time: the vectors of all candidates at once would be b * depth * dim floats.
    for number, (query, own) in enumerate(zip(queries, rows)):
        found = items[own]
        scores[number] = -np.square(found - query).sum(1) if metric == "l2" else found @ query
    return scores

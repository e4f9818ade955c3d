"""Exact float search, to which all other methods are compared."""

from __future__ import annotations

import time

from poeem.baselines.baseline import Baseline
from poeem.baselines.faiss_build import faiss_metric
from poeem.bench.problem import Problem
from poeem.evaluation.scorers import FloatScorer


def build_exact(problem: Problem, *, n_bytes: int = 0, nlist: int = 0, metric: str, seed: int = 0) -> Baseline:
    """Return exact search over the float vectors, ``4 dim`` bytes each.

    The arguments are those of `poeem.bench.method.Build`; ``n_bytes``, ``nlist`` and ``seed`` are ignored.
    """
    import faiss

    scorer = FloatScorer(problem.items, metric)
    start = time.perf_counter()
    index = faiss.IndexFlat(problem.dim, faiss_metric(metric))
    index.add(scorer.items)
    return Baseline("float", "Flat", scorer, 4 * problem.dim, time.perf_counter() - start, index=index)

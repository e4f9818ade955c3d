"""Baseline: an index built on finished vectors, with what it cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.evaluation.scorers import Scorer


@dataclass(frozen=True, eq=False)
class Baseline:
    """A scorer of the whole catalogue with its price.

    Args:
        name: word of ``BASELINES``.
        structure: factory string or class of faiss that it is.
        scorer: scores as faiss would.
        bytes_per_vector: code alone; list number and id not counted.
        build_seconds: wall time of training and adding.
    """

    name: str
    structure: str
    scorer: Scorer
    bytes_per_vector: int
    build_seconds: float

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """``(b, dim)`` -> float32 ``(b, n_items)``, ``-inf`` in lists that are not probed."""
        return self.scorer.scores(query_vectors)

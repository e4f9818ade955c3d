"""Baseline: an index built on finished vectors, with what it cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from poeem.evaluation.scorers import DecodedScorer, Scorer


class Searchable(Protocol):
    """Anything with faiss's ``search``: an index of faiss, or an engine behind the same call."""

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """``(b, dim)`` -> scores (or distances) and rows of the items, ``(b, k)``, best first."""
        ...


@dataclass(frozen=True, eq=False)
class Baseline:
    """A scorer of the whole catalogue with its price.

    Args:
        name: word of ``BASELINES``.
        structure: factory string or class of faiss that it is.
        scorer: scores as faiss would.
        bytes_per_vector: code alone, with what is stored beside it to score (norms, factors); list number and id not
            counted.
        build_seconds: wall time of training and adding.
        index: what is searched to measure speed, on queries as ``scorers.prepared`` leaves them; none where there is no
            engine for the structure.
        vectors: queries ``(nq, dim)`` and items ``(n, dim)`` of the model that it was trained with, where that is not
            the one that others are built on.
    """

    name: str
    structure: str
    scorer: Scorer
    bytes_per_vector: int
    build_seconds: float
    index: Searchable | None = None
    vectors: tuple[np.ndarray, np.ndarray] | None = None

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """``(b, dim)`` -> float32 ``(b, n_items)``, ``-inf`` in lists that are not probed."""
        return self.scorer.scores(query_vectors)

    def with_nprobe(self, nprobe: int | None) -> Baseline:
        """The same index visiting another number of lists a query; itself where it has no lists.

        The searchable index is shared and set to ``nprobe``: measure one of them before asking for the next.
        """
        if not isinstance(self.scorer, DecodedScorer) or self.scorer.coarse is None:
            return self
        if self.index is not None:
            set_nprobe(self.index, nprobe or len(self.scorer.coarse))
        return dataclasses.replace(self, scorer=self.scorer.with_nprobe(nprobe))


def set_nprobe(index: Any, nprobe: int) -> None:
    """Lists an index of faiss visits a query, behind a transformation too; other engines have an ``nprobe`` to set."""
    import faiss

    ivf: Any = faiss.extract_index_ivf(index) if isinstance(index, faiss.Index) else index
    ivf.nprobe = nprobe

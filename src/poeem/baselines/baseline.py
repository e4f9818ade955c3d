"""Baseline: an index built on finished vectors, with its size and build time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from poeem.evaluation.scorers import DecodedScorer, Scorer


class Searchable(Protocol):
    """Protocol of an object with faiss's ``search``: an index of faiss, or an engine behind the same call."""

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for queries ``(b, dim)``.

        Returns:
            scores (or distances) and rows of the items, both ``(b, k)``, best first.
        """
        ...


@dataclass(frozen=True)
class BuildOptions:
    """The size, lists, metric and seed of a baseline. Some structures have bytes of their own, and some no lists.

    Args:
        M, nbits: give ``M * nbits / 8`` bytes per vector.
        nlist, nprobe: inverted lists, and those visited per query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of everything random.

    >>> BuildOptions(M=3, nbits=4).n_bytes
    2
    """

    M: int
    nbits: int = 8
    nlist: int = 0
    nprobe: int | None = None
    metric: str = "cosine"
    seed: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes per vector: ``M * nbits / 8``, rounded up."""
        return -(-self.M * self.nbits // 8)


@dataclass(frozen=True, eq=False)
class Baseline:
    """An index built on finished vectors: a scorer of the whole catalogue, with its size and build time.

    Args:
        name: key of ``BASELINES``.
        structure: its factory string or class in faiss.
        scorer: gives the scores that faiss would give.
        bytes_per_vector: bytes of the code and of what is stored beside it to score (norms, factors), without list
            number and id.
        build_seconds: wall time of training and adding.
        index: searched to measure speed, with queries as ``scorers.prepared`` returns them; None if there is no engine
            for the structure.
        vectors: queries ``(nq, dim)`` and items ``(n, dim)`` of its own model, if that is not the model of the other
            baselines.
    """

    name: str
    structure: str
    scorer: Scorer
    bytes_per_vector: int
    build_seconds: float
    index: Searchable | None = None
    vectors: tuple[np.ndarray, np.ndarray] | None = None

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items: ``(b, dim)`` to float32 ``(b, n_items)``, ``-inf`` in lists that are not visited."""
        return self.scorer.scores(query_vectors)

    def with_nprobe(self, nprobe: int | None) -> Baseline:
        """Return the same index with another number of visited lists per query. An index without lists returns itself.

        The searchable index is shared and set to ``nprobe``, so measure one result before asking for the next.
        """
        if not isinstance(self.scorer, DecodedScorer) or self.scorer.coarse is None:
            return self
        if self.index is not None:
            set_nprobe(self.index, nprobe or len(self.scorer.coarse))
        return dataclasses.replace(self, scorer=self.scorer.with_nprobe(nprobe))


def set_nprobe(index: Any, nprobe: int) -> None:
    """Set the visited lists per query of a faiss index, also behind a transformation, or of another engine with
    ``nprobe``.
    """
    import faiss

    ivf: Any = faiss.extract_index_ivf(index) if isinstance(index, faiss.Index) else index
    ivf.nprobe = nprobe

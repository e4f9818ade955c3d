"""Use a bundle as a method of a benchmark: the reference scorer ranks, the bundle's faiss file is timed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.evaluation.scorers import DecodedScorer, coarse_for_queries

if TYPE_CHECKING:
    from poeem.bundle import Bundle


class AdaptedIndex:
    """A faiss index whose queries are first multiplied by a query adapter.

    Args:
        index: the faiss index.
        adapter: float32 ``(dim, dim)``; None leaves queries as they are.
    """

    def __init__(self, index: Any, adapter: np.ndarray | None) -> None:
        self._index, self._adapter = index, adapter

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search as faiss does: return scores and ids of the best ``k`` items, both ``(nq, k)``."""
        return self._index.search(x if self._adapter is None else x @ self._adapter, k)

    @property
    def nprobe(self) -> int:
        """Number of lists visited per query."""
        import faiss

        return faiss.extract_index_ivf(self._index).nprobe

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        import faiss

        faiss.extract_index_ivf(self._index).nprobe = value


def bundle_baseline(
    name: str,
    bundle: Bundle,
    seconds: float,
    *,
    fastscan: bool = False,
    vectors: tuple[np.ndarray, np.ndarray] | None = None,
) -> Baseline:
    """Return a bundle as a baseline that visits all lists. Its ``index`` is the bundle's faiss file, in memory.

    Args:
        name: name of the method.
        bundle: the bundle. Its folder may be deleted afterwards.
        seconds: time it took to make the bundle.
        fastscan: whether the file has the FastScan layout, for 4-bit codes.
        vectors: see ``Baseline``.
    """
    from poeem.engines.export import export
    from poeem.engines.faiss.searcher import read_index
    from poeem.engines.reference import ReferenceScorer

    with tempfile.TemporaryDirectory() as folder:
        export(bundle, "faiss", Path(folder) / "items.faiss", fastscan=fastscan)
        index = read_index(Path(folder) / "items.faiss")
    adapter = bundle.arrays.get("query_adapter")
    scorer = DecodedScorer(
        ReferenceScorer(bundle).decode(),
        bundle.metric,
        coarse=coarse_for_queries(bundle.arrays),
        lists=bundle.lists,
        adapter=adapter,
    )
    engine = AdaptedIndex(index, adapter)
    size = bundle.spec.bytes_per_vector
    return Baseline(name, str(bundle.spec), scorer, size, seconds, index=engine, vectors=vectors)

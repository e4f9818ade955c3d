"""Exact search by the items' float vectors, beside the index."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.engines.item_vectors import check_item_vectors, read_item_vectors
from poeem.engines.reference import ReferenceScorer
from poeem.serve.overlay import Overlay
from poeem.serve.version import Version


class ExactSearch:
    """The float vectors of a version's items as it was opened.

    Args:
        version: the version.
        vectors: the vectors ``(n, dim)`` in the bundle's order, or their file; None: the run's. Without a run, or if
            the run does not know all items, the decoded vectors take their place: then only the choice of lists
            differs from the index.
    Raises:
        ValueError: ``vectors`` are not those of the items.
    """

    def __init__(self, version: Version, vectors: Any = None) -> None:
        self.bundle, self.against = version.bundle, "float"
        run: Any = version.run
        found = read_item_vectors(vectors)
        if found is not None:
            check_item_vectors(self.bundle, found)
        elif run is not None:
            try:
                found = run.item_vectors()
            except ValueError:
                found = None  # items were added or deleted after the training
        if found is None:
            found, self.against = ReferenceScorer(self.bundle).decode(), "codes"
        self.vectors = self._scored(np.asarray(found, dtype=np.float32))
        self._squares = (self.vectors**2).sum(1) if self.bundle.metric == "l2" else None

    def best(self, query: np.ndarray, k: int, left_out: list[Any], overlay: Overlay) -> tuple[list[Any], list[float]]:
        """Find the exact best items of a query.

        Args:
            query: ``(dim,)``, as the engine takes it.
            k: number of items.
            left_out: ids of items that are no results.
            overlay: changes since the version was opened.
        Returns:
            ids and scores, best first; scores are squared distances under ``l2``.
        """
        query = np.asarray(query, dtype=np.float32)
        adapter = self.bundle.arrays.get("query_adapter")
        if adapter is not None and self.against == "codes":
            query = query @ adapter
        scores = self._scores(query, self.vectors, self._squares)
        ids: Any = self.bundle.ids
        hidden = {*left_out, *overlay.vectors, *overlay.deleted}
        most = min(k + len(hidden), len(scores))
        rows = np.argpartition(-scores, most - 1)[:most]
        pairs = [(float(scores[row]), ids[row : row + 1].tolist()[0]) for row in rows.tolist()]
        pairs = [pair for pair in pairs if pair[1] not in hidden]
        written = [id for id in overlay.vectors if id not in set(left_out)]
        if written:
            new = self._scored(np.stack([overlay.vectors[id] for id in written]))
            squares = (new**2).sum(1) if self._squares is not None else None
            pairs += zip(self._scores(query, new, squares).tolist(), written)
        pairs.sort(key=lambda pair: -pair[0])
        sign = -1 if self._squares is not None else 1
        return [id for _, id in pairs[:k]], [sign * score for score, _ in pairs[:k]]

    def _scored(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors as exact search scores them: of unit length under ``cosine``."""
        if self.bundle.metric != "cosine" or self.against == "codes":
            return vectors
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)

    def _scores(self, query: np.ndarray, vectors: np.ndarray, squares: np.ndarray | None) -> np.ndarray:
        """Scores, larger is better."""
        if self.bundle.metric == "cosine":
            query = query / max(float(np.linalg.norm(query)), 1e-12)
        scores = vectors @ query
        return scores if squares is None else 2 * scores - squares - query @ query

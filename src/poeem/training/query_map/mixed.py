"""MixedIndex: rows of the old and of the new model, searched together."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.queries import check_k
from poeem.training.model_scores import BundleScorer
from poeem.training.query_map.query_map import QueryMap

# Best scores of a query that are compared.
CALIBRATED = 100


class MixedIndex:
    """An index in the middle of a re-embedding: some rows are encoded by the new model already.

    A query searches both. Rows that the new bundle has count there only. Scores of the two models differ in scale, so
    those of the old rows become ``a s + b``. The two numbers come from the rows that both bundles have: for a sample of
    queries, their best scores by both models are compared.

    Args:
        old: the index in service.
        new: bundle of the rows that have been encoded by the new model, with the ids of ``old``; it may have more.
        query_map: of ``poeem fit --index-of``.
        queries_new: float, ``(n, d_new)``: a sample of queries by the new model, for the two numbers.
    Raises:
        ValueError: metrics differ, no id is in both, or the map belongs to another index.
    """

    def __init__(self, old: Bundle, new: Bundle, query_map: QueryMap, queries_new: Any) -> None:
        query_map.check(old)
        if old.metric != new.metric:
            raise ValueError(f"the old index has metric={old.metric!r} and the new one {new.metric!r}; they must agree")
        if new.dim != query_map.dims[0]:
            raise ValueError(f"the new index has dim={new.dim}, the query map takes dim={query_map.dims[0]}")
        self._old, self._new, self.map = BundleScorer(old, None), BundleScorer(new, None), query_map
        self.ids, self._bundle = old.ids, new
        row_of_new = {id: row for row, id in enumerate(new.ids.tolist())}
        twin = np.array([row_of_new.get(id, -1) for id in old.ids.tolist()], np.int64)
        if not (twin >= 0).any():
            raise ValueError("no id of the new index is in the old one; both must have the users' ids")
        self._only_old = np.flatnonzero(twin < 0)
        self.scale, self.offset = self._calibrate(np.asarray(queries_new), np.flatnonzero(twin >= 0), twin)

    def search(self, queries: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query.

        Args:
            queries: float, ``(nq, d_new)``, by the new model.
            k: results per query.
        Returns:
            scores of the new model's scale, float64, and ids, both ``(nq, k)``, best first.
        """
        k = min(check_k(k), len(self._only_old) + len(self._bundle))
        found = self._new.scores(queries).astype(np.float64)
        mapped = self._old_scores(queries)[:, self._only_old] * self.scale + self.offset
        scores = np.concatenate([found, mapped], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        ids = np.concatenate([self._bundle.ids, self.ids[self._only_old]])
        # Under l2 the best score is the smallest distance.
        sign = -1.0 if self._bundle.metric == "l2" else 1.0
        return np.take_along_axis(scores, order, 1) * sign, ids[order]

    def _old_scores(self, queries: Any) -> np.ndarray:
        """Scores of all old rows, larger is better."""
        return self._old.scores(self.map(queries)).astype(np.float64)

    def _calibrate(self, queries: np.ndarray, both: np.ndarray, twin: np.ndarray) -> tuple[float, float]:
        """Scale and offset by which a query's r-th best old score becomes its r-th best new score, by least squares.

        A regression of the scores of each row would shrink the old ones, because they have errors: no old row would
        come first.
        """
        old = self._old_scores(queries)[:, both]
        new = self._new.scores(queries).astype(np.float64)[:, twin[both]]
        x, y = (np.sort(scores, axis=1)[:, -CALIBRATED:].ravel() for scores in (old, new))
        spread = float(((x - x.mean()) ** 2).mean())
        slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 0 else 1.0
        return slope, float(y.mean() - slope * x.mean())

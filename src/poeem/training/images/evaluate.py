"""Evaluate image retrieval: float vectors, index and post-hoc baselines, on test queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.baselines import build_baseline, check_baselines
from poeem.evaluation.class_metrics import class_metrics
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import NEIGHBOURS, nearest_items, query_metrics
from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.spec import IndexSpec


@dataclass(frozen=True, eq=False)
class ImageTest:
    """Test queries and the gallery that they search, with the classes of both.

    Args:
        queries: float32, ``(nq, dim)``.
        gallery: float32, ``(n, dim)``.
        query_labels, gallery_labels: int64, ``(nq,)`` and ``(n,)``; None without classes.
    """

    queries: np.ndarray
    gallery: np.ndarray
    query_labels: np.ndarray | None
    gallery_labels: np.ndarray | None

    def figures(self, scorer: Scorer, metric: str, *, neighbours: np.ndarray | None = None) -> dict[str, Any]:
        """Compute the figures of a scorer of the gallery: by classes if there are any, and by the exact neighbours.

        Args:
            scorer: scores the gallery.
            metric: metric of the exact neighbours.
            neighbours: the 10 nearest by float vectors, ``(nq, 10)``; None: they are computed.
        Returns:
            figures by name, with intervals.
        """
        if neighbours is None:
            neighbours = self.neighbours(metric)
        block = with_intervals(query_metrics(scorer, QuerySet(self.queries, neighbours=neighbours)))
        if self.query_labels is None or self.gallery_labels is None:
            return block
        found = class_metrics(scorer, self.queries, self.query_labels, self.gallery_labels)
        return {**block, **found, "intervals": block["intervals"] | found["intervals"]}

    def neighbours(self, metric: str) -> np.ndarray:
        """Find the 10 nearest of the gallery by float vectors, ``(nq, 10)``, or all of a smaller gallery."""
        k = min(NEIGHBOURS, len(self.gallery))
        return nearest_items(FloatScorer(self.gallery, metric), QuerySet(self.queries), k)

    def baselines(
        self, names: Iterable[str], spec: IndexSpec, metric: str, *, seed: int, log: Callable[[str], object]
    ) -> dict[str, dict[str, Any]]:
        """Compute the figures of post-hoc indexes of the gallery's vectors, with the bytes of a spec.

        Baselines that cannot be built, for instance because there are too few images, are left out; ``log`` gets their
        names.

        Returns:
            figures by the name of the baseline.
        """
        neighbours, blocks = self.neighbours(metric), {}
        for name in check_baselines(names):
            try:
                baseline = build_baseline(
                    name, self.gallery, M=spec.M, nbits=spec.nbits, nlist=spec.nlist, metric=metric, seed=seed
                )
            except ValueError as error:
                # Too few images, or vectors of a width that the baseline does not take: no reason to lose a training.
                log(f"baseline {name} is left out: {error}")
                continue
            blocks[name] = self.figures(baseline, metric, neighbours=neighbours) | {
                "bytes_per_vector": baseline.bytes_per_vector,
                "build_seconds": baseline.build_seconds,
            }
        return blocks


@dataclass(frozen=True)
class RowScorer:
    """A scorer of some rows of another scorer's items.

    Args:
        scorer: scores all items.
        rows: int64, ``(n,)``: the rows.
    """

    scorer: Scorer
    rows: np.ndarray

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score the rows: ``(b, dim)`` to float32 ``(b, n)``."""
        return np.ascontiguousarray(self.scorer.scores(query_vectors)[:, self.rows])

"""HeldOut: queries held out of training, and the recall of an index for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.data.ragged import Ragged
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.recall import NEIGHBOUR_RECALL, returned_metrics
from poeem.training.frozen.list_visits import Visits
from poeem.training.frozen.top_items import top_items

DEPTH = 100


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Queries that are kept out of the training, with their nearest neighbours and relevant items.

    Args:
        queries: float32, ``(nq, dim)``.
        neighbours: int64, ``(nq, 10)``: best items by exact scores.
        relevant: rows of the relevant items, ``nq`` rows; None without labels.
    """

    queries: np.ndarray
    neighbours: np.ndarray
    relevant: Ragged | None = None

    @property
    def measure(self) -> str:
        """Name of the metric by which states of training are compared: ``recall@100`` with labels, else
        ``neighbour_recall@10``.
        """
        return NEIGHBOUR_RECALL if self.relevant is None else "recall@100"

    def sort_key(self, figures: dict[str, Any]) -> tuple[float, ...]:
        """Return the figures by which two states of training are compared, larger is better. With labels, ndcg@10
        decides if recall is equal.
        """
        return (figures[self.measure], *([] if self.relevant is None else [figures["ndcg@10"]]))

    def figures(
        self, queries: np.ndarray, item_blocks: Iterable[np.ndarray], metric: str, visits: Visits | None = None
    ) -> dict[str, Any]:
        """Compute recall with intervals.

        Items of equal score are ranked by row, which changes a recall by less than one query would.

        Args:
            queries: float32, ``(nq, dim)``, these queries after the adapter.
            item_blocks: reconstructions of the items, float32 ``(rows, dim)`` each.
            metric: ``"ip"``, ``"cosine"`` (an inner product too: nothing is normalised here) or ``"l2"``.
            visits: the lists that each query visits; None: all items are ranked.
        Returns:
            the figures by name.
        """
        _, rows = top_items(queries, item_blocks, DEPTH, metric=metric, visits=visits)
        return with_intervals(returned_metrics(rows, self.neighbours, self.relevant))

"""How good an index is for queries that were held out of its training."""

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
    """Queries that training does not see, and what they should find.

    Args:
        queries: float32, ``(nq, dim)``.
        neighbours: int64, ``(nq, 10)``: their best items by exact scores.
        relevant: rows of their relevant items, ``nq`` rows; None without labels.
    """

    queries: np.ndarray
    neighbours: np.ndarray
    relevant: Ragged | None = None

    @property
    def measure(self) -> str:
        """What decides: ``recall@100`` on labels, or else ``neighbour_recall@10``."""
        return NEIGHBOUR_RECALL if self.relevant is None else "recall@100"

    def standing(self, figures: dict[str, Any]) -> tuple[float, ...]:
        """By what two states compare: the measure, and where they find as many labels, how far in front those stand."""
        return (figures[self.measure], *([] if self.relevant is None else [figures["ndcg@10"]]))

    def figures(
        self, queries: np.ndarray, item_blocks: Iterable[np.ndarray], metric: str, visits: Visits | None = None
    ) -> dict[str, Any]:
        """Recall, with intervals, of the items in ``item_blocks`` as scored for (adapted) ``queries``.

        All items are ranked, or those in the lists of ``visits``.
        Equal scores stand in the order of the rows, which differs from the expected rank by less than a query.
        """
        _, rows = top_items(queries, item_blocks, DEPTH, metric=metric, visits=visits)
        return with_intervals(returned_metrics(rows, self.neighbours, self.relevant))

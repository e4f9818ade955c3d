"""How good an index is for queries that were held out of its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from poeem.data.ragged import Ragged
from poeem.evaluation.metrics import ranking_metrics
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.top_items import blocks, top_items

NEIGHBOURS, DEPTH = 10, 100


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
        return "neighbour_recall@10" if self.relevant is None else "recall@100"

    def figures(self, queries: np.ndarray, item_blocks: Iterator[np.ndarray], metric: str) -> dict[str, float]:
        """Recall of the items in ``item_blocks`` as scored for (adapted) ``queries``.

        Equal scores stand in the order of the rows, which differs from the expected rank by less than a query.
        """
        _, rows = top_items(queries, item_blocks, DEPTH, metric=metric)
        hits = (rows[:, :NEIGHBOURS, None] == self.neighbours[:, None, :]).any(1)
        found = {f"neighbour_recall@{NEIGHBOURS}": float(hits.mean())}
        if self.relevant is not None:
            labelled = np.flatnonzero(self.relevant.lengths)
            relevant = self.relevant.take(labelled)
            equal = rows[labelled][relevant.row_of_value] == relevant.values[:, None]
            ranks = np.where(equal.any(1), 1.0 + equal.argmax(1), np.inf)
            values = ranking_metrics(ranks, relevant.offsets)
            found |= {name: float(value.mean()) for name, value in values.items()}
        return found


@torch.no_grad()
def decoded_blocks(
    layer: EmbeddingIndex, items: np.ndarray, codes: np.ndarray | None = None, lists: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Items as the index sees them, float32 block by block; encoded anew where no codes are given."""
    start = 0
    for block in blocks(items):
        part = slice(start, start + len(block))
        if codes is None:
            numbers, places = layer.encode(torch.from_numpy(block).to(layer.device))
        else:
            numbers = torch.from_numpy(codes[part].astype(np.int64)).to(layer.device)
            places = None if lists is None else torch.from_numpy(lists[part].astype(np.int64)).to(layer.device)
        yield layer.decode(numbers, places).cpu().numpy()
        start = part.stop

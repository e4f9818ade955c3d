"""ItemSample: the items that a fit ranks, all of them or a random sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from poeem.data.ragged import Ragged


class ItemSample(NamedTuple):
    """The items that a fit is trained with: all of them or a sample.

    Args:
        items: float, ``(m, dim)``: all items of the fit, or a copy of the sampled ones.
        rows: int64, ``(m,)``, ascending: rows of the sampled items among all; None: ``items`` are all.
    """

    items: Any
    rows: np.ndarray | None = None

    def labels(self, labels: Ragged | None) -> Ragged | None:
        """Return relevant items by their rows in the sample, which must have all of them."""
        if labels is None or self.rows is None:
            return labels
        return Ragged(labels.offsets, np.searchsorted(self.rows, labels.values))

    def part(self, array: np.ndarray | None) -> np.ndarray | None:
        """Return the sampled rows of an array ``(n, ...)``; None stays None."""
        return array if array is None or self.rows is None else array[self.rows]


def sample_items(
    items: Any, max_items: int | None, labels: list[Ragged | None], rng: np.random.Generator
) -> ItemSample:
    """Sample ``max_items`` items at random. All relevant items belong to the sample. If there are no more items, it has
    all.

    Args:
        items: float, ``(n, dim)``, may be memory-mapped.
        max_items: size of the sample; larger if more items are relevant. None: all items.
        labels: relevant items of queries, by row.
        rng: source of the random choice.
    Returns:
        the sample.
    """
    if max_items is None or len(items) <= max_items:
        return ItemSample(items)
    relevant = np.unique(np.concatenate([np.empty(0, np.int64), *(part.values for part in labels if part is not None)]))
    others = rng.permutation(len(items))
    others = others[~np.isin(others, relevant)][: max(0, max_items - len(relevant))]
    rows = np.sort(np.concatenate([relevant, others]))
    return ItemSample(items[rows], rows)

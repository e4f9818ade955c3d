"""Candidates: the queries and items of each training step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from poeem.data.ragged import Ragged


class Step(NamedTuple):
    """The rows of one training step, all int64.

    Labels are pairs of positions: the item at ``label_item[i]`` in ``items`` is relevant to the query at
    ``label_query[i]`` in ``queries``. The pairs ``(other_query, other_item)`` are further relevant items, which must
    not count as negatives.
    """

    queries: np.ndarray  # (B,)
    items: np.ndarray  # (m,), ascending, each once
    label_query: np.ndarray  # (p,)
    label_item: np.ndarray  # (p,)
    other_query: np.ndarray  # (o,)
    other_item: np.ndarray  # (o,)


class Candidates:
    """Samples the queries of each step, and for each query some of its best items by exact search.

    The items sampled for one query are negatives of the other queries. A pool of some thousand distinct items thus
    costs one matrix product. The sample depends on seed and step only.

    Args:
        top: int64, ``(nq, k)``: best items of every query by exact search.
        relevant: rows of the relevant items of every query, ``nq`` rows; None without labels. Each step adds one
            random relevant item of each query.
        batch_size: queries per step.
        sampled: items sampled per query.
        seed: seed of the samples.
    """

    def __init__(
        self, top: np.ndarray, relevant: Ragged | None = None, *, batch_size: int = 512, sampled: int = 8, seed: int = 0
    ) -> None:
        self._top, self._relevant = top, relevant
        self.batch_size, self._sampled, self._seed = min(batch_size, len(top)), min(sampled, top.shape[1]), seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; the last incomplete batch is dropped."""
        return max(1, len(self._top) // self.batch_size)

    def step(self, number: int) -> Step:
        """Return the rows of a step; steps count from 0."""
        epoch, place = divmod(number, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng((self._seed, epoch)).permutation(len(self._top))
        queries = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        rng = np.random.default_rng((self._seed, epoch, place))
        # The first ranks of a random order, so that they are distinct in every row.
        ranks = np.argsort(rng.random((len(queries), self._top.shape[1])), axis=1)[:, : self._sampled]
        items = np.take_along_axis(self._top[queries], ranks, axis=1).ravel()
        if self._relevant is None:
            return Step(queries, np.unique(items), *(np.empty(0, np.int64),) * 4)
        labels = self._relevant.take(queries)
        labelled = np.flatnonzero(labels.lengths)
        picked = labels.offsets[labelled] + rng.integers(0, labels.lengths[labelled])
        pool = np.unique(np.concatenate([labels.values[picked], items]))
        place_of = np.minimum(np.searchsorted(pool, labels.values), len(pool) - 1)
        others = pool[place_of] == labels.values
        others[picked] = False
        return Step(queries, pool, labelled, place_of[picked], labels.row_of_value[others], place_of[others])

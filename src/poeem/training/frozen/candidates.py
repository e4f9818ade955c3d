"""Which queries and which items meet in a training step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from poeem.data.ragged import Ragged


class Step(NamedTuple):
    """Rows of a step, all int64.

    Labels are pairs of places: ``label_query[i]`` in ``queries`` wants ``label_item[i]`` in ``items``; at
    ``(other_query, other_item)`` stand further relevant items that no query may be pushed away from.
    """

    queries: np.ndarray  # (B,)
    items: np.ndarray  # (m,), ascending, each once
    label_query: np.ndarray  # (p,)
    label_item: np.ndarray  # (p,)
    other_query: np.ndarray  # (o,)
    other_item: np.ndarray  # (o,)


class Candidates:
    """Draws every step's queries, and for each of them some of the items that the teacher ranks first.

    The items drawn for one query are the other queries' contrast, so that a pool of some thousand unique items costs
    one product. A draw is a pure function of seed and step.

    Args:
        top: int64, ``(nq, k)``: the teacher's best items of every query.
        relevant: rows of the relevant items of every query, ``nq`` rows; None without labels. One of them, drawn
            anew every time, joins the items.
        batch_size: queries a step.
        drawn: items drawn a query.
        seed: of the draws.
    """

    def __init__(
        self, top: np.ndarray, relevant: Ragged | None = None, *, batch_size: int = 512, drawn: int = 8, seed: int = 0
    ) -> None:
        self._top, self._relevant = top, relevant
        self.batch_size, self._drawn, self._seed = min(batch_size, len(top)), min(drawn, top.shape[1]), seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every query is seen once, but for the rest of an uneven division."""
        return max(1, len(self._top) // self.batch_size)

    def step(self, number: int) -> Step:
        """The rows of a step, from 0."""
        epoch, place = divmod(number, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng((self._seed, epoch)).permutation(len(self._top))
        queries = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        rng = np.random.default_rng((self._seed, epoch, place))
        # Distinct ranks in every row: the first of a random order.
        ranks = np.argsort(rng.random((len(queries), self._top.shape[1])), axis=1)[:, : self._drawn]
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

"""PairBatches: batches of a query and an item that answers it; a batch depends on seed and step only."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from poeem.data.ragged import Ragged


class PairBatches:
    """Pairs in a random order that differs by epoch, cut into full batches as one stream.

    Args:
        queries: int64, ``(n,)``: query numbers to train with.
        relevant: item numbers of each query, a row per query number.
        negatives: item numbers that do not answer a query, a row per query number. A batch holds one of each query,
            drawn at random, and -1 for a query without.
        batch_size: pairs per step, over all ranks; lowered to the number of pairs.
        seed: seed of the order.
    Raises:
        ValueError: no pairs, or ``batch_size`` below 1.

    >>> pairs = PairBatches(np.array([1]), Ragged(np.array([0, 1, 2]), np.array([5, 6])))
    >>> pairs.batch(step=0)
    {'history': tensor([1]), 'positive': tensor([6])}
    """

    def __init__(
        self,
        queries: np.ndarray,
        relevant: Ragged,
        negatives: Ragged | None = None,
        *,
        batch_size: int = 512,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size (={batch_size}) must be at least 1")
        rows = relevant.take(queries)
        if not len(rows.values):
            raise ValueError("queries have no item that answers them; there is nothing to train with")
        self._query, self._item = queries[rows.row_of_value], rows.values
        self._negatives = None if negatives is None or not len(negatives.values) else negatives
        self.batch_size, self.seed = min(batch_size, len(self)), seed

    def __len__(self) -> int:
        """Pairs per epoch."""
        return len(self._query)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every pair has been used; rounded up."""
        return -(-len(self) // self.batch_size)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """Return the batch of a step, or one rank's part of it. The parts of all ranks together are the batch of one
        process.

        Returns:
            ``history`` (query numbers) and ``positive`` (item numbers), int64 ``(B,)``; with negatives also
            ``negative``.
        Raises:
            ValueError: ``rank`` is not below ``world``, or there are more ranks than pairs.
        """
        if not 0 <= rank < world or world > self.batch_size or step < 0:
            raise ValueError(
                f"step (={step}) must be at least 0, rank (={rank}) in [0, world={world}), and world at most "
                f"batch_size (={self.batch_size})"
            )
        first, last = (step * self.batch_size + self.batch_size * r // world for r in (rank, rank + 1))
        places = np.arange(first, last)
        epochs = range(first // len(self), (last - 1) // len(self) + 1)
        order = np.concatenate([np.random.default_rng([self.seed, epoch]).permutation(len(self)) for epoch in epochs])
        rows = order[places - epochs[0] * len(self)]
        batch = {"history": self._query[rows], "positive": self._item[rows]}
        if self._negatives is not None:
            counts = self._negatives.lengths[batch["history"]]
            # The draws of all processes, and of these the own ones.
            uniform = np.random.default_rng([self.seed, step]).random(self.batch_size)
            own = uniform[first - step * self.batch_size : last - step * self.batch_size]
            drawn = np.floor(own * counts).astype(np.int64)
            at = self._negatives.offsets[batch["history"]] + drawn
            values = self._negatives.values[at.clip(max=len(self._negatives.values) - 1)]
            batch["negative"] = np.where(counts > 0, values, -1)
        return {name: torch.from_numpy(numbers) for name, numbers in batch.items()}

"""EventBatches: batches of search events with their histories and sampled negatives."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from poeem.data.events.inputs import EventInputs

# Events of one user and time that stay together in a batch. More are faster and make batches less random.
TOGETHER = 16


class EventBatches:
    """Training batches of queries with the items that were chosen, in a random order that differs by epoch.

    Events of the same user and time, such as the products of a basket, stay together in groups of at most ``TOGETHER``,
    because their history is the same and is read once. Groups are in random order. All epochs form one stream that is
    cut into full batches. A batch depends on ``(seed, step)`` alone.

    Args:
        inputs: makes the inputs of the towers.
        examples: positions of the training events with a query, ascending.
        batch_size: examples per step, over all processes; lowered to the number of examples.
        negatives: items per step that are drawn from the whole catalogue, all equally likely. They are columns of the
            softmax beside the items of the batch.
        seed: of order and negatives.
    Raises:
        ValueError: there are no examples, or a size is out of range.
    """

    def __init__(
        self, inputs: EventInputs, examples: np.ndarray, *, batch_size: int = 512, negatives: int = 0, seed: int = 0
    ) -> None:
        if len(examples) == 0:
            raise ValueError("examples is empty; there is no training event with a query")
        if batch_size < 1 or negatives < 0:
            raise ValueError(f"batch_size (={batch_size}) must be at least 1, negatives (={negatives}) at least 0")
        self.inputs, self.examples, self.seed = inputs, examples, seed
        self.negatives = min(negatives, inputs.events.n_items)
        self.batch_size = min(batch_size, len(examples))
        self._starts = _group_starts(inputs.events.known_before[examples], TOGETHER)
        self._epochs: dict[int, np.ndarray] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every example has been used, rounded up."""
        return -(-len(self.examples) // self.batch_size)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """Return the batch of a step, or one process's part of it. Every process has the same negatives.

        Returns:
            the inputs of ``EventInputs``, with one row of behaviour for each visit; ``positive`` ``(B,)`` and
            ``negatives`` ``(K,)``. All are int64.
        """
        if not 0 <= rank < world or world > self.batch_size or step < 0:
            raise ValueError(
                f"step (={step}) must be at least 0, rank (={rank}) in [0, world={world}), "
                f"and world at most batch_size (={self.batch_size})"
            )
        first, last = (step * self.batch_size + self.batch_size * r // world for r in (rank, rank + 1))
        places = np.arange(first, last)
        epochs = places // len(self.examples)
        rows = [self._order(epoch)[places[epochs == epoch] % len(self.examples)] for epoch in np.unique(epochs)]
        events = self.examples[np.concatenate(rows)]
        drawn = np.random.default_rng([self.seed, 1, step]).choice(
            self.inputs.events.n_items, self.negatives, replace=False
        )
        arrays = self.inputs.of_events(events) | {"positive": self.inputs.events.item[events], "negatives": drawn}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def log_q(self) -> np.ndarray:
        """Compute the log-probability that an item is a column, counted once per distinct item: float32 ``(n_items,)``,
        nats.

        It is the logarithm of ``1 - (1 - p_i)^B (1 - K / n)``, where ``p_i`` is the item's share of the examples, and a
        step has ``B`` examples and ``K`` negatives. An item without an example counts as if it had one.
        """
        n_items = self.inputs.events.n_items
        counts = np.bincount(self.inputs.events.item[self.examples], minlength=n_items).clip(min=1)
        share = (counts / len(self.examples)).clip(max=1 - 1e-12)
        absent = self.batch_size * np.log1p(-share) + np.log1p(-min(self.negatives / n_items, 1 - 1e-12))
        return np.log(-np.expm1(absent)).astype(np.float32)

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            # Two epochs are cached: a batch may hold parts of both.
            self._epochs = {e: order for e, order in self._epochs.items() if e == epoch - 1}
            order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self._starts) - 1)
            lengths = np.diff(self._starts)[order]
            # The places of each group follow one another: its first place, and then one more each.
            firsts = self._starts[order] - (np.cumsum(lengths) - lengths)
            self._epochs[epoch] = np.repeat(firsts, lengths) + np.arange(len(self.examples))
        return self._epochs[epoch]


def _group_starts(visit: np.ndarray, most: int) -> np.ndarray:
    """Bounds of the groups: runs of equal values of ``visit``, longer ones cut after each ``most``; int64."""
    new = np.ones(len(visit), dtype=bool)
    new[1:] = visit[1:] != visit[:-1]
    places = np.arange(len(visit))
    within = places - np.maximum.accumulate(np.where(new, places, 0))
    return np.append(np.flatnonzero(within % most == 0), len(visit))

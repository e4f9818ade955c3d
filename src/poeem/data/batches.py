"""TrainingBatches: batches of histories and next items; a batch depends on seed and step only."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from poeem.data.histories import history_before
from poeem.data.ragged import Ragged

KINDS = ("prefix", "positions")


class TrainingBatches:
    """Training batches of histories, each with the items that came next, in a random order that differs by epoch.

    With ``kind="prefix"`` every training event is an example: ``history (B, L)`` holds the user's items before it (none
    for the first event), and ``positive (B,)`` its item. It suits towers that read one history at a time.

    With ``kind="positions"`` every window of ``L`` events of a user is an example: ``history (B, L)`` holds the events,
    and ``positive (B, L)`` the next item at every position, -1 where there is none. It suits towers with
    ``every_position``. A user with ``n`` events has ``ceil(n / L)`` windows: the latest one, and others at random
    positions, which differ between epochs.

    All epochs form one stream that is cut into full batches, so a batch may hold the end of one epoch and the start of
    the next. ``batch(step)`` depends only on ``(seed, step)``, so a resumed training needs no saved position.

    Args:
        events: item numbers of the training events, one row per user, oldest first.
        kind: ``"prefix"`` or ``"positions"``.
        batch_size: examples per step, over all processes; lowered to the number of examples.
        history_length: ``L``, the items that a history holds.
        seed: of the order and of the windows.
    Raises:
        ValueError: there are no events, the kind is unknown, or a size is below 1.

    >>> events = Ragged(np.array([0, 3]), np.array([5, 6, 7]))
    >>> batch = TrainingBatches(events, "positions", batch_size=1, history_length=4).batch(step=0)
    >>> batch["history"], batch["positive"]
    (tensor([[-1, -1,  5,  6]]), tensor([[-1,  5,  6,  7]]))
    """

    def __init__(
        self,
        events: Ragged,
        kind: str = "prefix",
        *,
        batch_size: int = 1024,
        history_length: int = 20,
        seed: int = 0,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind (={kind!r}) must be one of {', '.join(map(repr, KINDS))}")
        for name, size in (("batch_size", batch_size), ("history_length", history_length)):
            if size < 1:
                raise ValueError(f"{name} (={size}) must be at least 1")
        if len(events.values) == 0:
            raise ValueError("events has no events; every user has too few for the split, or the file is empty")
        self.kind, self.history_length, self.seed = kind, history_length, seed
        self._events = events
        # Examples before each user's first, (n_users + 1,).
        if kind == "prefix":
            self._examples = self._events.offsets
        else:
            windows = -(-self._events.lengths // history_length)
            self._examples = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(windows)])
        self.batch_size = min(batch_size, len(self))
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        """Return the number of examples per epoch."""
        return int(self._examples[-1])

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every example has been used, rounded up."""
        return -(-len(self) // self.batch_size)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """Return the batch of a step, or one process's part of it. The parts of all processes together are the batch of
        a single process.

        Args:
            step: number of the step, from 0.
            rank, world: number of this process, from 0, and number of processes.
        Returns:
            ``history`` and ``positive``, int64, see the class.
        Raises:
            ValueError: ``rank`` is not below ``world``, or there are more ranks than examples.
        """
        if not 0 <= rank < world or world > self.batch_size or step < 0:
            raise ValueError(
                f"step (={step}) must be at least 0, rank (={rank}) in [0, world={world}), "
                f"and world at most batch_size (={self.batch_size})"
            )
        first, last = (step * self.batch_size + self.batch_size * r // world for r in (rank, rank + 1))
        history, positive = self._rows(np.arange(first, last))
        return {"history": torch.from_numpy(history), "positive": torch.from_numpy(positive)}

    def _rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Histories and positives at positions of the stream of epochs."""
        example, uniform = np.empty_like(positions), np.empty(len(positions))
        for epoch in range(positions[0] // len(self), positions[-1] // len(self) + 1):
            order, uniforms = self._epoch(epoch)
            in_epoch = positions // len(self) == epoch
            example[in_epoch] = order[positions[in_epoch] % len(self)]
            uniform[in_epoch] = uniforms[example[in_epoch]] if len(uniforms) else 0.0
        user = np.searchsorted(self._examples, example, side="right") - 1
        nth = example - self._examples[user]
        first, length = self._events.offsets[user], self._events.lengths[user]
        if self.kind == "prefix":
            event = first + nth
            return history_before(self._events, user, event, self.history_length), self._events.values[event]
        # The last event of a window: the user's last, or for further windows any that leaves the window full.
        free = length - self.history_length
        event = first + length - 1 - np.where(nth > 0, 1 + np.floor(uniform * free).astype(np.int64), 0)
        history = history_before(self._events, user, event, self.history_length)
        return history, history_before(self._events, user, event + 1, self.history_length)

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The order of the examples in an epoch, and for each a number in [0, 1) that sets the place of its window."""
        if epoch not in self._epochs:
            # Two epochs are cached: a batch may hold parts of both.
            self._epochs = {e: cached for e, cached in self._epochs.items() if e == epoch - 1}
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(self))
            self._epochs[epoch] = order, rng.random(len(self) if self.kind == "positions" else 0)
        return self._epochs[epoch]

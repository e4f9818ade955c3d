"""ImageBatches: batches of images and of a neighbour of each, in a random order that depends on seed and step only."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class ImageBatches:
    """Training batches of images (or their features) in a random order that differs by epoch. Epochs form one stream of
    full batches.

    Args:
        images: ``(n, ...)``, uint8 pixels or float features.
        rows: int64, rows to train on.
        batch_size: images per step, over all ranks; lowered to the number of rows.
        seed: of the order.
        neighbours: int64, ``(len(rows), k)``: places in ``rows`` of the neighbours of each of them; None: none.
    Raises:
        ValueError: there are fewer than two rows, or the batch is below 2; an image needs another one as a negative.

    >>> batches = ImageBatches(np.arange(4)[:, None], np.arange(4), batch_size=2)
    >>> sorted(int(x) for step in range(2) for x in batches.batch(step)["images"])
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        *,
        batch_size: int,
        seed: int = 0,
        neighbours: np.ndarray | None = None,
    ) -> None:
        if len(rows) < 2 or batch_size < 2:
            raise ValueError(f"images (={len(rows)}) and batch_size (={batch_size}) must be at least 2")
        self._images, self._rows, self._seed, self._neighbours = images, rows, seed, neighbours
        self.batch_size = min(batch_size, len(rows))
        self._orders: dict[int, np.ndarray] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every image has been used, rounded up."""
        return -(-len(self._rows) // self.batch_size)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """Return the ``images`` of a step, or one rank's part of them, and with neighbours a random one of each image's
        as ``partners``. The parts of all ranks together are those of one process. ``rank`` and ``world`` are not
        checked.
        """
        first, last = (step * self.batch_size + self.batch_size * r // world for r in (rank, rank + 1))
        epochs, places = np.divmod(np.arange(first, last), len(self._rows))
        chosen = np.concatenate([self._order(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)])
        batch = {"images": torch.from_numpy(self._images[self._rows[chosen]])}
        if self._neighbours is not None:
            k = self._neighbours.shape[1]
            # Drawn for all ranks, so that their parts are those of one process.
            columns = np.random.default_rng([self._seed, step, 1]).integers(0, k, self.batch_size)
            part = columns[first - step * self.batch_size : last - step * self.batch_size]
            batch["partners"] = torch.from_numpy(self._images[self._rows[self._neighbours[chosen, part]]])
        return batch

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            # A batch spans two epochs at most.
            self._orders = {key: order for key, order in self._orders.items() if key == epoch - 1}
            self._orders[epoch] = np.random.default_rng([self._seed, epoch]).permutation(len(self._rows))
        return self._orders[epoch]

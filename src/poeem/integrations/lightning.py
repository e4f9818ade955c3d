"""WarmStart: a callback of Lightning that warm-starts the indexes of a module at a share of the training.

trainer = Trainer(callbacks=[WarmStart(lambda module: module.items(all_items))])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.tower_vectors import evaluating

# Steps between two logs of how the index uses its codewords.
LOG_EVERY = 50


class WarmStart(Callback):
    """Warm-starts the indexes of a module on item vectors at a share of the training's steps, and logs their usage.

    Without it, each index collects the vectors of the first batches and starts by itself. With it, no index starts by
    itself. A training that is resumed behind the warm start does not repeat it.

    Args:
        vectors: called with the module in eval mode and without gradients; returns vectors of items ``(n, dim)`` before
            the index, best of the whole catalogue or 20,000 of it. Under DDP every process returns its own part.
        at: share of the steps, 0 to 1.
    Raises:
        ValueError: ``at`` is out of range; or, when the training begins, the module has no index, or the trainer has
            no last step.
    """

    def __init__(self, vectors: Callable[[Any], Tensor], *, at: float = 0.5) -> None:
        super().__init__()
        if not 0 <= at <= 1:
            raise ValueError(f"at (={at}) must be 0 to 1, a share of the steps")
        self.vectors, self.at = vectors, at
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let no index start by itself, and compute the step of the warm start."""
        indexes = indexes_of(pl_module)
        if not indexes:
            raise ValueError("WarmStart: the module has no EmbeddingIndex; make one in its __init__")
        steps = trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ValueError("WarmStart: the trainer has no last step; give max_steps or max_epochs")
        self._step = round(self.at * steps)
        for index in indexes:
            index.phase.warmup_steps = 2**31

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Warm-start at the step."""
        indexes = [index for index in indexes_of(pl_module) if not index.ready]
        if not indexes or trainer.global_step < self._step:
            return
        with evaluating(pl_module):
            vectors = self.vectors(pl_module)
        for index in indexes:
            index.warm_start(vectors.to(index.device))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log perplexity of the codewords and the share of those that no item uses."""
        if (batch_idx + 1) % LOG_EVERY:
            return
        for name, index in named_indexes(pl_module):
            if index.ready:
                figures = {f"{name}/{figure}": value for figure, value in index.usage().items()}
                pl_module.log_dict(figures, sync_dist=False)


def named_indexes(module: Any) -> list[tuple[str, EmbeddingIndex]]:
    """Return the indexes of a module with their names."""
    return [(name, part) for name, part in module.named_modules() if isinstance(part, EmbeddingIndex)]


def indexes_of(module: Any) -> list[EmbeddingIndex]:
    """Return the indexes of a module."""
    return [index for _, index in named_indexes(module)]

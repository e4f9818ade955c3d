"""A model from its settings: for training, for the float twin, and for a stored run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from poeem.data.batches import TrainingBatches
from poeem.data.frequency import log_q
from poeem.data.split import Sequences
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.spec import IndexSpec
from poeem.towers.two_tower import interaction_towers
from poeem.training.model import JointModel


def build_model(
    settings: Mapping[str, Any], n_items: int, *, indexed: bool, draws: np.ndarray | None = None
) -> JointModel:
    """Towers, loss and, if ``indexed``, the index that the settings describe; initial weights by the seed.

    Args:
        settings: of a run, see ``poeem.training.recipes.interactions``.
        n_items: size of the catalogue.
        indexed: False for the float twin, which is otherwise the same.
        draws: float32, ``(n_items,)``: log-probability of each item as a column; not needed past training.
    Raises:
        ValueError: a setting is out of range.
    """
    towers = interaction_towers(
        settings["tower"],
        n_items,
        settings["dim"],
        history_length=settings["history_length"],
        dropout=settings["dropout"],
        seed=settings["seed"],
    )
    index = None
    if indexed:
        index = EmbeddingIndex(
            settings["dim"],
            IndexSpec.parse(settings["spec"]),
            metric=settings["metric"],
            estimator=settings["estimator"],
            rotation=settings["rotation"],
            # The recipe warm-starts on all items at a step of its own; the layer is not to begin before.
            warmup_steps=settings["steps"] + 1,
            seed=settings["seed"],
        )
    return JointModel(
        towers,
        index,
        log_q=torch.zeros(n_items) if draws is None else torch.from_numpy(draws),
        metric=settings["metric"],
        temperature=settings["temperature"],
        views=settings["views"],
        share=settings["share"],
        commitment=settings["commitment"],
        candidates=settings["candidates"],
    )


def build_batches(settings: Mapping[str, Any], train: Sequences) -> TrainingBatches:
    """The training batches that the settings describe."""
    return TrainingBatches(
        train,
        "positions" if settings["tower"] == "sequence" else "prefix",
        batch_size=settings["batch_size"],
        history_length=settings["history_length"],
        seed=settings["seed"],
    )


def column_log_q(
    settings: Mapping[str, Any], train: Sequences, batches: TrainingBatches, n_items: int, world: int = 1
) -> np.ndarray:
    """Log-probability that an item is a column of the softmax of one process; float32 ``(n_items,)``."""
    if settings["candidates"] == "positives":
        return log_q(train, n_items)
    events_a_row = 1.0
    if batches.kind == "positions":
        # A window of a long history is full, the only one of a short history holds all of it.
        lengths = train.ragged.lengths
        windows = -(-lengths // batches.history_length)
        events_a_row = float((windows * np.minimum(lengths, batches.history_length)).sum() / windows.sum())
    return log_q(train, n_items, draws=max(1, round(events_a_row * batches.batch_size / world)))

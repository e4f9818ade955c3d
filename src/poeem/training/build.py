"""Build the model and the training batches that the settings of a run describe; also those of the float twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from poeem.data.batches import TrainingBatches
from poeem.data.frequency import log_q as event_log_q
from poeem.data.ragged import Ragged
from poeem.layers.checks import check_choice
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.from_arrays import exact_layer
from poeem.spec import IndexSpec
from poeem.towers.compressed_table import CompressedTable, check_table_bytes
from poeem.towers.item_codes import fit_item_codes
from poeem.towers.two_tower import TwoTower, interaction_towers
from poeem.training.fixed_codes import FixedCodes
from poeem.training.hard_negatives import HardNegatives
from poeem.training.model import JointModel
from poeem.training.options.groups import LossOptions

ITEM_TABLES = ("full", "compressed")
# Default bytes per item of a compressed table.
TABLE_BYTES = 8


def build_model(
    settings: Mapping[str, Any],
    n_items: int,
    *,
    indexed: bool,
    log_q: np.ndarray | None = None,
    train: Ragged | None = None,
) -> JointModel:
    """Build towers, loss and, if ``indexed``, the index that the settings describe. The seed gives the initial weights.
    The index is not warm-started; the caller does that.

    Args:
        settings: settings of a run, see ``resolve_options``.
        n_items: size of the catalogue.
        indexed: whether the model has an index; the float twin has none and is otherwise the same.
        log_q: float32, ``(n_items,)``: log-probability that an item is a column of the softmax; needed for training
            only.
        train: training events; needed for training only. The codes of a compressed table are fitted to them, and hard
            negatives are items that occur in them.
    Returns:
        the model, with its initial weights.
    Raises:
        ValueError: a setting is out of range.
    """
    towers = interaction_towers(
        settings["tower"],
        n_items,
        settings["dim"],
        history_length=settings["history_length"],
        dropout=settings["dropout"],
        table=_compressed_table(settings, n_items, train),
        seed=settings["seed"],
    )
    return joint_model(
        towers, settings, n_items, indexed=indexed, log_q=log_q, minable=None if train is None else train.values
    )


def joint_model(
    towers: TwoTower,
    settings: Mapping[str, Any],
    n_items: int,
    *,
    indexed: bool,
    log_q: np.ndarray | None = None,
    minable: np.ndarray | None = None,
) -> JointModel:
    """Make one module of towers, loss and, if ``indexed``, the index that the settings describe. The index is not
    warm-started.

    Args:
        towers: query and item tower.
        settings: settings of a run.
        n_items: items that the item tower knows.
        indexed, log_q: as for `build_model`.
        minable: int64: item numbers that hard negatives may be; for training only.
    """
    index = kept = None
    if indexed:
        spec, fixed = IndexSpec.parse(settings["spec"]), settings.get("codes") == "fixed"
        if fixed:
            kept = FixedCodes(n_items, spec.M, lists=bool(spec.nlist))
        # With stability the arrays of the previous run must stay equal to the bit.
        make_index: Any = EmbeddingIndex if settings.get("stability") is None else exact_layer
        index = make_index(
            settings["dim"],
            spec,
            metric=settings["metric"],
            estimator=settings["estimator"],
            assignment=settings.get("assignment", "nearest"),
            rotation=settings["rotation"],
            # The recipe warm-starts on all items at its own step; the layer must not start before.
            warmup_steps=settings["steps"] + 1,
            # Reseeding goes by the codewords that the layer would choose, not by the fixed ones.
            **({"reseed_every": 0} if fixed else {}),
            seed=settings["seed"],
        )
    return JointModel(
        towers,
        index,
        log_q=torch.zeros(n_items) if log_q is None else torch.from_numpy(log_q),
        loss=_loss(settings, indexed),
        metric=settings["metric"],
        hard_negatives=_hard_negatives(settings, minable),
        kept=kept,
    )


def _loss(settings: Mapping[str, Any], indexed: bool) -> LossOptions:
    # Runs of earlier versions lack these settings and were trained without them.
    complete: dict[str, Any] = {"distill": 0.0, "list_loss": 0.0, "balance": 0.0, "hard_negatives": 0, **settings}
    values = {field.name: complete[field.name] for field in fields(LossOptions)}
    return LossOptions(**(values if indexed else values | {"list_loss": 0.0}))


def _hard_negatives(settings: Mapping[str, Any], minable: np.ndarray | None) -> HardNegatives | None:
    count = settings.get("hard_negatives", 0)
    if count == 0 or minable is None:
        return None
    items = torch.from_numpy(np.unique(minable))
    return HardNegatives(items, settings["dim"], count=count, seed=settings["seed"])


def _compressed_table(settings: Mapping[str, Any], n_items: int, train: Ragged | None) -> CompressedTable | None:
    kind, size = settings.get("item_table", "full"), settings.get("table_bytes")
    check_choice("item_table", kind, ITEM_TABLES)
    if kind == "full":
        if size is not None:
            raise ValueError(f"table_bytes (={size}) goes with item_table='compressed'; leave it out")
        return None
    size, width = TABLE_BYTES if size is None else size, settings["dim"]
    check_table_bytes(size)
    if train is None:  # codes and codewords are among the weights of a stored model
        return CompressedTable(torch.zeros(n_items, size, dtype=torch.uint8), width)
    codes, codewords = fit_item_codes(train, n_items, size, width, settings["seed"])
    return CompressedTable(torch.from_numpy(codes), width, codewords=torch.from_numpy(codewords))


def build_batches(settings: Mapping[str, Any], train: Ragged) -> TrainingBatches:
    """Build the training batches that the settings describe, from the training events."""
    return TrainingBatches(
        train,
        "positions" if settings["tower"] == "sequence" else "prefix",
        batch_size=settings["batch_size"],
        history_length=settings["history_length"],
        seed=settings["seed"],
    )


def column_log_q(settings: Mapping[str, Any], train: Ragged, batches: TrainingBatches, n_items: int) -> np.ndarray:
    """Compute the log-probability that an item is a column of the softmax. The columns are those of all processes.

    Returns:
        float32, ``(n_items,)``.
    """
    if settings["candidates"] == "positives":
        return event_log_q(train, n_items)
    positives_per_example = 1.0
    if batches.kind == "positions":
        # A window of a long history is full. A short history has one window with all of its events.
        lengths = train.lengths
        windows = -(-lengths // batches.history_length)
        positives_per_example = float((windows * np.minimum(lengths, batches.history_length)).sum() / windows.sum())
    return event_log_q(train, n_items, draws=max(1, round(positives_per_example * batches.batch_size)))

"""A stored run, ready to encode queries and items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.read import open_bundle
from poeem.data.interactions import Interactions
from poeem.data.ragged import Ragged
from poeem.data.split import Split, leave_last_out, seen_before_last
from poeem.training.build import build_model
from poeem.training.devices import torch_device
from poeem.training.model import JointModel
from poeem.training.run_folder import CONFIG_FILE, WEIGHTS_FILE, RunFolder
from poeem.training.stored_interactions import read_stored_interactions
from poeem.training.tower_vectors import item_vectors, query_vectors
from poeem.training.weights import load_weights


@dataclass(frozen=True, eq=False)
class Run:
    """What ``poeem train`` left behind.

    Args:
        folder: paths.
        config: settings, steps, timings, name of the data set.
        model: towers and index, in eval mode.
        bundle: the index with the coded catalogue.
        interactions: the events it was trained and tested on; row i of the bundle is item number i, unless the
            catalogue has been changed since.
    """

    folder: RunFolder
    config: dict[str, Any]
    model: JointModel
    bundle: Bundle
    interactions: Interactions

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was started with."""
        return self.config["settings"]

    @cached_property
    def split(self) -> Split:
        """Training, validation and test parts."""
        return leave_last_out(self.interactions)

    @cached_property
    def seen_in_training(self) -> np.ndarray:
        """bool, ``(n_items,)``: whether an item has a training event, as ``split`` says."""
        return seen_before_last(self.interactions)

    @property
    def histories(self) -> Ragged:
        """All events of every user, oldest first."""
        return Ragged(self.interactions.offsets, self.interactions.item)

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of the bundle of every item number, int64; -1 for an item that has been deleted since the training."""
        known = self.interactions.item_ids
        if np.array_equal(self.bundle.ids, known):
            return np.arange(len(known))
        row_of = {one: row for row, one in enumerate(self.bundle.ids.tolist())}
        return np.array([row_of.get(one, -1) for one in known.tolist()], dtype=np.int64)

    def check_unchanged(self) -> None:
        """Refuse a run whose items have been changed since its training.

        Raises:
            ValueError: as above.
        """
        if not np.array_equal(self.rows, np.arange(len(self.bundle))):
            raise ValueError(
                f"the items of {str(self.bundle.path)!r} are no longer those of its training; figures would not "
                "compare: evaluate a copy of the run from before, or train again"
            )

    def queries(self, histories: Ragged) -> np.ndarray:
        """Query vectors of histories of item numbers: float32 ``(nq, dim)``."""
        return query_vectors(self.model, histories)

    def items(self, numbers: np.ndarray) -> np.ndarray:
        """Item vectors before the index: float32 ``(n, dim)``."""
        return item_vectors(self.model, numbers)


def load_run(path: str | Path, device: str = "cpu") -> Run:
    """Read a finished run from its folder.

    Args:
        path: the folder ``out`` of the training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a part is damaged, or parts of different runs are mixed.
    """
    folder = RunFolder(path)
    config = folder.config()
    bundle = open_bundle(folder.bundle)
    if bundle.fingerprint != config.get("fingerprint"):
        raise ValueError(
            f"{folder.model} and {folder.bundle} are not of one training (their fingerprints differ); "
            "restore the folder that belongs to the other, or train again"
        )
    folder.check_files(config)
    interactions = read_stored_interactions(folder.model)
    try:
        model = build_model(config["settings"], interactions.n_items, indexed=True)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder.model / CONFIG_FILE}: its settings are not those of this poeem ({error}); "
            "use the version that trained it, or train again"
        ) from None
    load_weights(model, folder.model / WEIGHTS_FILE)
    model.to(torch_device(device)).eval()
    return Run(folder, config, model, bundle, interactions)

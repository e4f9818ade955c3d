"""PreviousRun: the run from which the next version of a model is trained, with its structure, weights and codes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.bundle.delta import rows_sha256
from poeem.bundle.diff import BundleDiff, diff_bundles
from poeem.data.checksum import file_sha256
from poeem.data.interactions import Interactions
from poeem.functional.estimators import ESTIMATORS
from poeem.layers.from_arrays import set_arrays
from poeem.towers.compressed_table import CompressedTable
from poeem.towers.item_table import ItemTable
from poeem.training.code_stability import StableCodes, assignment_error
from poeem.training.id_lookup import rows_of
from poeem.training.interactions.run import load_interaction_run
from poeem.training.model import JointModel
from poeem.training.run_folder import WEIGHTS_FILE


class PreviousRun:
    """A stored run, with its bundle as it is now: items may have been added, replaced or deleted.

    Args:
        path: folder of a finished run.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.run = load_interaction_run(path)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the previous run."""
        return self.run.settings

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Facts of the previous run that the next training depends on, as JSON values. ``steps`` counts those of all
        earlier runs.
        """
        return {
            "fingerprint": self.run.bundle.fingerprint,
            "rows": rows_sha256(self.run.bundle),
            "weights": file_sha256(self.run.folder.model / WEIGHTS_FILE),
            "steps": self.run.config["step"] + (self.settings.get("start") or {}).get("steps", 0),
        }

    def check_items(self, interactions: Interactions) -> None:
        """Raise an error if the item ids of interactions do not match those of the previous run.

        Raises:
            ValueError: ids are of another type, or no item is in both.
        """
        known, new = self.run.bundle.ids, interactions.item_ids
        if (known.dtype == object) != (new.dtype == object):
            kinds = ["strings" if ids.dtype == object else "integers" for ids in (new, known)]
            raise ValueError(
                f"interactions: item ids are {kinds[0]}, those of the previous run {kinds[1]}; use the same ids"
            )
        if not len(_shared_rows(known, new)[0]):
            raise ValueError(
                f"interactions: no item (such as {new.tolist()[0]!r}) is among those of the previous run (such as "
                f"{known.tolist()[0]!r}); use the same ids, or train without a previous run"
            )

    def load_into(self, model: JointModel, interactions: Interactions, *, exact: bool) -> None:
        """Copy the weights and arrays of the previous run into a model. New items keep their random rows."""
        old, new = self.run.model.towers, model.towers
        old_rows, new_rows = _shared_rows(self.run.interactions.item_ids, interactions.item_ids)
        per_item = {
            name + field
            # Both towers share the item table; it appears under two names.
            for name, module in new.named_modules(remove_duplicate=False)
            for kind, field in ((ItemTable, ".ids.weight"), (CompressedTable, ".codes"))
            if isinstance(module, kind)
        }
        weights = old.state_dict()
        with torch.no_grad():
            for name, tensor in new.state_dict().items():
                if name in per_item:
                    tensor[new_rows] = weights[name][old_rows]
                else:
                    tensor.copy_(weights[name])
        assert model.index is not None
        set_arrays(model.index, self.run.bundle.arrays, exact=exact)

    def stable_codes(self, interactions: Interactions, stability: float) -> StableCodes:
        """Return the codes in service, for the items of a new training.

        Args:
            interactions: events of the new training.
            stability: margin by which another code must lower an item's error, in multiples of the mean error of all
                items with their codes in service.
        Returns:
            codes that items keep unless another one is better by the margin.
        """
        bundle = self.run.bundle
        old_rows, new_rows = _shared_rows(bundle.ids, interactions.item_ids)
        in_service = torch.zeros(interactions.n_items, dtype=torch.bool)
        codes = torch.zeros(interactions.n_items, bundle.spec.M, dtype=torch.uint8)
        in_service[new_rows], codes[new_rows] = True, torch.from_numpy(bundle.codes[old_rows])
        lists = None
        if bundle.lists is not None:
            lists = torch.zeros(interactions.n_items, dtype=torch.int32)
            lists[new_rows] = torch.from_numpy(bundle.lists[old_rows])
        return StableCodes(in_service, codes, lists, margin=stability * self.distortion)

    @cached_property
    def distortion(self) -> float:
        """Mean error of the run's items with their codes in service, see `assignment_error`."""
        bundle, index = self.run.bundle, self.run.model.index
        assert index is not None
        rows, numbers = _shared_rows(bundle.ids, self.run.interactions.item_ids)
        if not len(rows):
            raise ValueError(
                f"{self.run.folder.bundle}: none of the items that the run was trained on is left, so that there is no "
                "mean error to compare changes with; leave stability out"
            )
        x = torch.from_numpy(self.run.items(numbers))
        x = torch.nn.functional.normalize(x) if bundle.metric == "cosine" else x
        codes = torch.tensor(bundle.codes[rows]).long()
        lists = None if bundle.lists is None else torch.tensor(bundle.lists[rows]).long()
        with torch.no_grad():
            return float(assignment_error(index, x, index.decode(codes, lists)).mean())

    def diff(self, new: Bundle) -> BundleDiff:
        """Compare a new bundle with that of the previous run."""
        return diff_bundles(self.run.bundle, new)


def check_stability(stability: float | None, previous: PreviousRun | None, estimator: str) -> None:
    """Check the option ``stability``.

    Raises:
        ValueError: it is below 0, there is no previous run, or the estimator does not keep codes.
    """
    if stability is None:
        return
    if not 0 <= stability < float("inf"):
        raise ValueError(f"stability (={stability}) must be 0 or more; 1 to 8 is usual, and with 1000 no code changes")
    if previous is None:
        raise ValueError(f"stability (={stability}) needs a previous run, whose codes stay; give previous_run (--from)")
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator (={estimator!r}) weighs all codewords, but stability keeps one code; "
            f"choose one of {', '.join(map(repr, ESTIMATORS))}"
        )


def _shared_rows(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the shared ids in ``old`` and in ``new``, int64, in the order of ``new``."""
    old_rows = rows_of(new, old)
    new_rows = np.flatnonzero(old_rows >= 0)
    return old_rows[new_rows], new_rows

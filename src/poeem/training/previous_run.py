"""A run as the beginning of the next one: its structure, its weights, and the codes that are in service."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.bundle.checksum import file_sha256
from poeem.bundle.delta import rows_sha256
from poeem.bundle.diff import BundleDiff, diff_bundles
from poeem.data.interactions import Interactions
from poeem.functional.estimators import ESTIMATORS
from poeem.layers.from_arrays import set_arrays
from poeem.towers.compressed_table import CompressedTable
from poeem.towers.item_table import ItemTable
from poeem.training.code_stability import StableCodes, assignment_error
from poeem.training.load import load_run
from poeem.training.model import JointModel
from poeem.training.run_folder import WEIGHTS_FILE


class PreviousRun:
    """The run in ``path``, and its bundle with all changes since its training.

    Args:
        path: folder of a finished run.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.run = load_run(path)

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was started with."""
        return self.run.settings

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a training that starts here depends on, as JSON values; ``steps`` are all that led to these weights."""
        return {
            "fingerprint": self.run.bundle.fingerprint,
            "rows": rows_sha256(self.run.bundle),
            "weights": file_sha256(self.run.folder.model / WEIGHTS_FILE),
            "steps": self.run.config["step"] + (self.settings.get("start") or {}).get("steps", 0),
        }

    def check_items(self, interactions: Interactions) -> None:
        """Refuse interactions whose items are not those of the run, grown or shrunk.

        Raises:
            ValueError: ids are of another type, or no item is in both.
        """
        known, new = self.run.bundle.ids, interactions.item_ids
        if (known.dtype == object) != (new.dtype == object):
            kinds = ["strings" if ids.dtype == object else "integers" for ids in (new, known)]
            raise ValueError(
                f"interactions: item ids are {kinds[0]}, those of the run to start from {kinds[1]}; use the same ids"
            )
        if not len(_shared(known, new)[0]):
            one, other = new[:1].tolist()[0], known[:1].tolist()[0]
            raise ValueError(
                f"interactions: no item (such as {one!r}) is among those of the run to start from (such as {other!r}); "
                "use the same ids, or train without a run to start from"
            )

    def load_into(self, model: JointModel, interactions: Interactions, *, exact: bool) -> None:
        """Give a model the run's weights and arrays; items that the run does not know keep their random rows."""
        old, new = self.run.model.towers, model.towers
        there, here = _shared(self.run.interactions.item_ids, interactions.item_ids)
        by_item = {
            name + field
            # Both towers hold the one table, each under a name of its own.
            for name, module in new.named_modules(remove_duplicate=False)
            for kind, field in ((ItemTable, ".ids.weight"), (CompressedTable, ".codes"))
            if isinstance(module, kind)
        }
        weights = old.state_dict()
        with torch.no_grad():
            for name, tensor in new.state_dict().items():
                if name in by_item:
                    tensor[here] = weights[name][there]
                else:
                    tensor.copy_(weights[name])
        assert model.index is not None
        set_arrays(model.index, self.run.bundle.arrays, exact=exact)

    def stable_codes(self, interactions: Interactions, stability: float) -> StableCodes:
        """The codes in service of the items of a new training, and what changing one must save.

        Args:
            interactions: of the new training.
            stability: that, in multiples of the mean squared error of the items by their codes in service.
        """
        bundle = self.run.bundle
        there, here = _shared(bundle.ids, interactions.item_ids)
        known = torch.zeros(interactions.n_items, dtype=torch.bool)
        codes = torch.zeros(interactions.n_items, bundle.spec.M, dtype=torch.uint8)
        known[here], codes[here] = True, torch.from_numpy(bundle.codes[there])
        lists = None
        if bundle.lists is not None:
            lists = torch.zeros(interactions.n_items, dtype=torch.int32)
            lists[here] = torch.from_numpy(bundle.lists[there])
        return StableCodes(known, codes, lists, margin=stability * self.distortion)

    @cached_property
    def distortion(self) -> float:
        """Mean error of the run's items by their codes in service and its own item tower, see `assignment_error`."""
        bundle, index = self.run.bundle, self.run.model.index
        assert index is not None
        there, numbers = _shared(bundle.ids, self.run.interactions.item_ids)
        if not len(there):
            raise ValueError(
                f"{self.run.folder.bundle}: none of the items that the run was trained on is left, so that there is no "
                "mean error to hold changes against; leave stability out"
            )
        x = torch.from_numpy(self.run.items(numbers))
        x = torch.nn.functional.normalize(x) if bundle.metric == "cosine" else x
        codes = torch.tensor(bundle.codes[there]).long()
        lists = None if bundle.lists is None else torch.tensor(bundle.lists[there]).long()
        with torch.no_grad():
            return float(assignment_error(index, x, index.decode(codes, lists)).mean())

    def diff(self, new: Bundle) -> BundleDiff:
        """What a bundle has otherwise than the run's."""
        return diff_bundles(self.run.bundle, new)


def check_stability(stability: float | None, start: PreviousRun | None, estimator: str) -> None:
    """Refuse a weight below 0, one without a run to compare with, and what does not go with it.

    Raises:
        ValueError: as above.
    """
    if stability is None:
        return
    if not 0 <= stability < float("inf"):
        raise ValueError(f"stability (={stability}) must be 0 or more; 1 to 8 is usual, and with 1000 no code changes")
    if start is None:
        raise ValueError(f"stability (={stability}) needs the run whose codes are to stay; name it with start (--from)")
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator (={estimator!r}) goes by distances to all words, stability keeps codes; "
            f"choose one of {', '.join(map(repr, ESTIMATORS))}"
        )


def _shared(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the ids that are in both, in the one and in the other, int64."""
    place = {one: number for number, one in enumerate(old.tolist())}
    found = np.array([place.get(one, -1) for one in new.tolist()], dtype=np.int64)
    here = np.flatnonzero(found >= 0)
    return found[here], here

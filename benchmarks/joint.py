"""A model by the recipe of `poeem train`, in memory: for experiments that change what the recipe keeps as it is."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.split import Split
from poeem.spec import IndexSpec
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.checkpoints import Checkpoints
from poeem.training.devices import make_accelerator
from poeem.training.fit import fit
from poeem.training.model import JointModel
from poeem.training.recipes.code_terms import code_terms
from poeem.training.recipes.interactions import TOWERS, train_interactions
from poeem.training.recipes.list_terms import list_terms
from poeem.training.recipes.structure import DEFAULTS, settled_structure

# Arguments of the recipe that say how it runs, not what it trains.
_NOT_SETTINGS = {"out", "dataset", "device", "mixed_precision", "baselines", "resume", "log_with", "show"}
# What the original does and `poeem train` does not by default.
AS_PUBLISHED: dict[str, Any] = {"views": "quantized", "commitment": 0.0, "estimator": "ste", "list_loss": 0.0}


def settings_of(tower: str = "history", **changed: Any) -> dict[str, Any]:
    """The recipe's defaults for a tower, with changes by the names of its arguments."""
    arguments = inspect.signature(train_interactions).parameters.values()
    defaults = {p.name: p.default for p in arguments if p.default is not p.empty and p.name not in _NOT_SETTINGS}
    unknown = changed.keys() - defaults.keys()
    assert not unknown, unknown
    given = {"tower": tower} | {name: value for name, value in changed.items() if value is not None}
    structure = settled_structure(dict.fromkeys(DEFAULTS) | {n: given[n] for n in DEFAULTS.keys() & given.keys()}, None)
    found: dict[str, Any] = defaults | structure | TOWERS[tower] | given
    return (
        found
        | code_terms(found["codes"], found["estimator"], found["assignment"])
        | list_terms(IndexSpec.parse(found["spec"]), found["list_loss"], found["balance"])
    )


def train(
    settings: dict[str, Any],
    split: Split,
    *,
    indexed: bool = True,
    warm_start: float = 0.5,
    before_step: Callable[[JointModel, int], None] | None = None,
    title: str = "training",
) -> tuple[JointModel, float]:
    """Train, and return the model in eval mode and the seconds that took.

    Args:
        settings: of `settings_of`; ``epochs`` or ``steps`` of them is the length.
        split: what to train on.
        indexed: False for the float twin.
        warm_start: share of the steps before the index is fitted to all items.
        before_step: called with the model and the steps since the warm start.
        title: of the progress bar.
    """
    batches = build_batches(settings, split.train)
    steps = settings["steps"] or round(settings["epochs"] * batches.steps_per_epoch)
    settings, begin = settings | {"steps": steps}, int(warm_start * steps)
    draws = column_log_q(settings, split.train, batches, split.n_items)
    model = build_model(settings, split.n_items, indexed=indexed, draws=draws, train=split.train)
    with tempfile.TemporaryDirectory() as folder:
        state = fit(
            model,
            batches,
            accelerator=make_accelerator("cpu"),
            checkpoints=Checkpoints(Path(folder), settings, resume=False),
            steps=steps,
            lr=settings["lr"],
            weight_decay=settings["weight_decay"],
            decay=settings["decay"],
            index_lr=settings["index_lr"],
            seed=settings["seed"],
            warm_start_items=np.flatnonzero(split.seen_in_training),
            warm_start_step=begin,
            before_step=[] if before_step is None else [lambda step: before_step(model, step - begin)],
            title=title,
        )
    return model.cpu().eval(), state.seconds

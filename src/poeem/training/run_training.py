"""The training of a run by a recipe: checkpoints, trackers, and writing of bundle and model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.bundle.storage_dtypes import as_stored
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.write import write_coded
from poeem.training.checkpoints import Checkpoints
from poeem.training.devices import make_accelerator
from poeem.training.model import JointModel
from poeem.training.options.groups import ExecutionOptions
from poeem.training.plan import Plan
from poeem.training.run_folder import RunFolder
from poeem.training.tower_vectors import item_vectors
from poeem.training.train_joint import train_joint
from poeem.training.train_model import Batches, TrainState

if TYPE_CHECKING:
    from accelerate import Accelerator


def start_run(out: str | Path, execution: ExecutionOptions, *, resume: bool) -> tuple[RunFolder, Accelerator]:
    """Set up processes, device and trackers, and check the folder of a run.

    Args:
        out: folder of the run.
        execution: device, precision, trackers.
        resume: whether the run must be there already.
    Returns:
        the folder, and the accelerator on which the run is trained.
    Raises:
        ValueError: the folder cannot be used, see ``RunFolder.check_startable``; or a device or precision is unknown.
    """
    folder = RunFolder(out)
    accelerator = make_accelerator(
        execution.device,
        mixed_precision=execution.mixed_precision,
        log_with=execution.log_with,
        log_folder=folder.path / "logs",
    )
    if accelerator.is_main_process:
        folder.check_startable(resume=resume)
    accelerator.wait_for_everyone()
    return folder, accelerator


def run_training(
    folder: RunFolder,
    model: JointModel,
    batches: Batches,
    settings: Mapping[str, Any],
    execution: ExecutionOptions,
    *,
    accelerator: Accelerator,
    resume: bool,
    warm_start_items: np.ndarray | None,
    validate: Callable[[JointModel], float],
    store: Callable[[TrainState], None],
) -> None:
    """Train a model and store it; nothing if the run in ``folder`` is finished.

    Args:
        folder: of the run; its checkpoints must be of the same ``settings``.
        model, batches: in place of the model, its trained weights.
        settings: settings of the run, with ``steps``.
        execution: validation, checkpoints, trackers.
        accelerator: device, processes, precision.
        resume: whether checkpoints may be there.
        warm_start_items: items to which the index is warm-started at half of the steps. None: the index is ready, and
            mining of hard negatives begins with the first step.
        validate: returns ndcg@10 of a model.
        store: writes the run; called on the main process with the state at the end.
    """
    checkpoints = Checkpoints(folder.checkpoints, settings, resume=resume)
    if folder.has_model:
        return
    if execution.log_with:
        accelerator.init_trackers("poeem", config=dict(settings))
    state = train_joint(
        model,
        batches,
        Plan.from_settings(
            settings,
            warm_start_step=0 if warm_start_items is None else None,
            validate_every=execution.validate_every,
            patience=execution.patience,
            checkpoint_every=execution.checkpoint_every,
        ),
        accelerator=accelerator,
        checkpoints=checkpoints,
        warm_start_items=warm_start_items,
        validate=validate,
        progress_title=f"{settings.get('tower') or settings['encoder']} + {settings['spec']}"
        if execution.show
        else None,
    )
    if execution.log_with:
        accelerator.end_training()
    if accelerator.is_main_process:
        # Only needed for training.
        model.hard_negatives = None
        store(state)
    accelerator.wait_for_everyone()


def store_run(
    folder: RunFolder,
    model: JointModel,
    settings: Mapping[str, Any],
    state: TrainState,
    *,
    recipe: str,
    ids: np.ndarray,
    columns: Any,
    write_data: Callable[[Path], None],
    more_facts: Callable[[Bundle], dict[str, Any]] = lambda bundle: {},
) -> None:
    """Encode all items, and write bundle and model.

    Args:
        folder: of the run.
        model: trained; its items are numbered as ``ids``.
        settings: settings of the run.
        state: at the end of the training.
        recipe: name of the recipe.
        ids: ids of the items, ``(n,)``.
        columns: arrow table of ``n`` rows that the bundle stores beside the ids, or None.
        write_data: called with a folder; writes the data that searches and evaluations need.
        more_facts: from the new bundle to further entries of ``config.json``.
    """
    index = model.index
    assert index is not None
    started = time.perf_counter()
    facts = {name: settings[name] for name in ("dataset", "seed", "nprobe")} | {"steps": state.step}
    vectors = torch.from_numpy(item_vectors(model, np.arange(len(ids)))).to(index.device)
    codes, lists = as_stored(*model.encode(torch.arange(len(ids)), vectors))
    bundle = write_coded(index, ids, codes, lists, folder.bundle, columns=columns, training=facts)
    timings = {
        "train_seconds": state.seconds,
        "warm_start_seconds": state.warm_start_seconds,
        # Encoding and writing the catalogue, instead of building an index.
        "bundle_seconds": time.perf_counter() - started,
    }
    config = {
        "recipe": recipe,
        "dataset": settings["dataset"],
        "settings": settings,
        "step": state.step,
        "fingerprint": bundle.fingerprint,
        "timings": timings,
        **more_facts(bundle),
    }
    folder.store_model(model, config, write_data)


def check_enough_items(index: EmbeddingIndex, items: int, which: str) -> None:
    """Check that an index can be warm-started on so many items.

    Raises:
        ValueError: it cannot; ``which`` says what they are.
    """
    if items < index.min_rows:
        spec = index.spec
        raise ValueError(
            f"spec (={str(spec)!r}) needs at least {index.min_rows} {which}, there are {items}; choose fewer "
            f"nbits or lists, such as '{spec.kind}{spec.M}x4'"
        )

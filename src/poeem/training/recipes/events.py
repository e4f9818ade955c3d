"""The recipe for search events: towers of product search and their index, trained together (MGDSPR)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.baselines import check_baselines
from poeem.bundle.items import check_columns, with_free_names
from poeem.bundle.storage_dtypes import as_stored
from poeem.data.attributes import category_numbers
from poeem.data.events.search_events import SearchEvents
from poeem.data.events.split import split_by_time
from poeem.data.vocabulary import Vocabulary
from poeem.layers.write import write_coded
from poeem.training.checkpoints import Checkpoints
from poeem.training.events.compare import evaluate_events
from poeem.training.events.model import EventModel
from poeem.training.events.scores import product_vectors
from poeem.training.events.stored import events_digest, write_events
from poeem.training.events.train import fit_events, training_vocabulary
from poeem.training.options.resolve_events import EventOptions
from poeem.training.plan import Plan
from poeem.training.run_folder import RunFolder
from poeem.training.run_training import start_run
from poeem.training.seeds import check_seed
from poeem.training.train_model import TrainState


def train_events(
    events: SearchEvents,
    out: str | Path,
    *,
    dataset: str = "events",
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    resume: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train towers and index together, write ``out/`` with bundle and model, and compare with post-hoc indexes.

    Args:
        events: the log; its last events test, those before them validate.
        out: folder of the run; must be empty or absent, unless ``resume``.
        dataset: name of the data.
        baselines: post-hoc indexes to compare with; without any, no float twin is trained.
        resume: resume the run in ``out``, which must have been started with the same settings.
        options: fields of the groups in ``poeem.training.options.events``, by name.
    Returns:
        the content of ``out/metrics.json``; empty on all but the main process.
    Raises:
        ValueError: an argument is out of range, the data do not suffice, or ``out`` is not empty.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    given = EventOptions.named(**options)
    settings, execution = given.settings(), given.execution
    check_seed(execution.seed)
    check_baselines(baselines)
    split, columns = split_by_time(events), bundle_columns(events)
    category_numbers(events.item_table, settings["category"])
    folder, accelerator = start_run(out, execution, resume=resume)
    settings |= {
        "dataset": dataset,
        "events": events_digest(events),
        "mixed_precision": accelerator.mixed_precision,
    }
    vocabulary = training_vocabulary(events, split)
    if settings["steps"] is None:
        settings["steps"] = max(2, round(settings["epochs"] * len(split.train) / settings["batch_size"]))
    checkpoints = Checkpoints(folder.checkpoints, settings, resume=resume)
    if not folder.has_model:
        if execution.log_with:
            accelerator.init_trackers("poeem", config=settings)
        plan = Plan.from_settings(
            settings,
            validate_every=execution.validate_every,
            patience=execution.patience,
            checkpoint_every=execution.checkpoint_every,
        )
        model, state = fit_events(
            events, split, vocabulary, settings, plan, checkpoints, accelerator=accelerator, show=execution.show
        )
        if execution.log_with:
            accelerator.end_training()
        if accelerator.is_main_process:
            _store(folder, model, events, vocabulary, columns, settings, state)
        accelerator.wait_for_everyone()
    return evaluate_events(folder.path, accelerator=accelerator, baselines=baselines, show=execution.show)


def bundle_columns(events: SearchEvents) -> Any:
    """The item table for the bundle. Columns with a name that the bundle uses itself get a prefix."""
    return check_columns(with_free_names(events.item_table), events.n_items)


def _store(
    folder: RunFolder,
    model: EventModel,
    events: SearchEvents,
    vocabulary: Vocabulary,
    columns: Any,
    settings: dict[str, Any],
    state: TrainState,
) -> None:
    """Write bundle and model."""
    assert model.index is not None
    started = time.perf_counter()
    facts = {name: settings[name] for name in ("dataset", "seed", "nprobe")} | {"steps": state.step}
    vectors = torch.from_numpy(product_vectors(model, np.arange(events.n_items))).to(model.index.device)
    codes, lists = as_stored(*model.index.encode(vectors))
    bundle = write_coded(model.index, events.item_ids, codes, lists, folder.bundle, columns=columns, training=facts)
    timings = {
        "train_seconds": state.seconds,
        "warm_start_seconds": state.warm_start_seconds,
        "bundle_seconds": time.perf_counter() - started,
    }
    config = {"recipe": "events", "dataset": settings["dataset"], "settings": settings, "step": state.step}
    facts = {"fingerprint": bundle.fingerprint, "timings": timings}
    folder.store_model(model, config | facts, lambda new: write_events(new, events, vocabulary))

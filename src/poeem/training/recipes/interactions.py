"""The recipe for interactions: a two-tower model and its index, trained together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poeem.baselines import check_baselines
from poeem.baselines.faiss_build import check_subspaces
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import check_columns, with_free_names
from poeem.data.interactions import Interactions
from poeem.data.split import Split, leave_last_out
from poeem.spec import IndexSpec
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.compare import compare
from poeem.training.interactions.run import load_interaction_run
from poeem.training.interactions.stored import interactions_digest, write_interactions
from poeem.training.model import JointModel
from poeem.training.model_scores import sample_queries, validation_score
from poeem.training.options.groups import TrainOptions
from poeem.training.options.resolve import resolve_options
from poeem.training.previous_run import PreviousRun, check_stability
from poeem.training.run_training import check_enough_items, run_training, start_run, store_run
from poeem.training.seeds import check_seed
from poeem.training.tower_vectors import item_vectors, query_vectors
from poeem.training.train_model import TrainState


def train_interactions(
    interactions: Interactions,
    out: str | Path,
    *,
    dataset: str = "interactions",
    previous_run: str | Path | None = None,
    stability: float | None = None,
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    resume: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train towers and index together, write ``out/`` with bundle and model, and compare with post-hoc indexes.

    Args:
        interactions: events; the last and second last of a user test and validate.
        out: folder of the run; must be empty or absent, unless ``resume``.
        dataset: name of the data.
        previous_run: folder of the previous run. Its towers and index are trained further, to the next version of the
            model. The interactions may have other events and other items.
        stability: keep the index of the previous run and the codes in service. A code changes only if that lowers the
            item's error by more than ``stability`` times the mean error, see ``StableCodes``. 0 always takes the
            nearest code, a large number keeps all codes. The fingerprint stays, so that a delta holds all changes.
            Default: the index is trained further, and every row changes.
        baselines: post-hoc indexes to compare with; without any, no float twin is trained.
        resume: resume the run in ``out``, which must have been started with the same settings.
        options: fields of the groups in ``poeem.training.options.groups``, by name. None stands for the value of the
            previous run, or for a default by tower and index, see ``poeem.training.options.resolve``.
    Returns:
        the content of ``out/metrics.json``; empty on all but the main process.
    Raises:
        ValueError: an argument is out of range, the data do not suffice, or ``out`` is not empty.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    given = TrainOptions.named(**options)
    execution = given.execution
    previous = None if previous_run is None else PreviousRun(previous_run)
    resolved = resolve_options(given, None if previous is None else previous.settings)
    check_seed(execution.seed)
    _check_options(resolved, previous, stability, baselines)
    split = _checked_split(interactions, previous)
    folder, accelerator = start_run(out, execution, resume=resume)

    settings: dict[str, Any] = {
        "dataset": dataset,
        "interactions": interactions_digest(interactions),
        # These two come first: if a resumed run lacks one, the error names it and not a setting that follows from it.
        "start": None if previous is None else previous.facts,
        "stability": stability,
        **resolved,
        # With stability the index is not trained.
        "rotation": resolved["rotation"] if stability is None else "frozen",
        "mixed_precision": accelerator.mixed_precision,
    }
    batches = build_batches(settings, split.train)
    if settings["steps"] is None:
        settings["steps"] = max(1, round(settings["epochs"] * batches.steps_per_epoch))
    log_q = column_log_q(settings, split.train, batches, split.n_items)
    model = build_model(settings, split.n_items, indexed=True, log_q=log_q, train=split.train)
    trained_items = np.flatnonzero(split.seen_in_training)
    if previous is None:
        assert model.index is not None
        check_enough_items(model.index, len(trained_items), "items with training events")
    else:
        _load_previous(model, previous, interactions, stability)
    validation = sample_queries(split.validation, execution.seed)

    def validate(model: JointModel) -> float:
        items, queries = item_vectors(model, np.arange(split.n_items)), query_vectors(model, validation.history)
        available = split.seen_in_training
        return validation_score(model, validation, items, queries, available=available, nprobe=settings["nprobe"])

    def store(state: TrainState) -> None:
        store_run(
            folder,
            model,
            settings,
            state,
            recipe="interactions",
            ids=interactions.item_ids,
            columns=_columns(interactions),
            write_data=lambda new: write_interactions(new, interactions),
            more_facts=lambda bundle: {} if previous is None else {"changes": previous.diff(bundle).counts()},
        )

    run_training(
        folder,
        model,
        batches,
        settings,
        execution,
        accelerator=accelerator,
        resume=resume,
        warm_start_items=trained_items if previous is None else None,
        validate=validate,
        store=store,
    )
    run = load_interaction_run(folder.path)
    return compare(run, accelerator=accelerator, baselines=baselines, show=execution.show)


def _check_options(
    resolved: Mapping[str, Any], previous: PreviousRun | None, stability: float | None, baselines: Sequence[str]
) -> None:
    if resolved["codes"] == "fixed" and previous is not None:
        raise ValueError(
            "codes (='fixed') are those of a warm start, which a run with a previous run does not have; to keep the "
            "codes in service give a large stability, such as 1000"
        )
    check_stability(stability, previous, resolved["estimator"])
    for name in {"pq", "opq"} & set(check_baselines(baselines)):
        # Checked before the training: these baselines split the vectors, even if the index (RQ) does not.
        check_subspaces(name, resolved["dim"], IndexSpec.parse(resolved["spec"]).M)


def _checked_split(interactions: Interactions, previous: PreviousRun | None) -> Split:
    """The split of the interactions, after checks of everything that a bundle stores of them."""
    ids_to_arrow(interactions.item_ids)
    check_columns(_columns(interactions), interactions.n_items)
    if previous is not None:
        previous.check_items(interactions)
    split = leave_last_out(interactions)
    if len(split.test) == 0:
        raise ValueError("interactions: no user has 3 events or more, so that nothing is left to test with; add data")
    return split


def _load_previous(
    model: JointModel, previous: PreviousRun, interactions: Interactions, stability: float | None
) -> None:
    """Load weights and index of the previous run; with ``stability`` also its codes, and freeze the index."""
    assert model.index is not None
    previous.load_into(model, interactions, exact=stability is not None)
    if stability is not None:
        model.kept = previous.stable_codes(interactions, stability)
        model.index.requires_grad_(False)
        model.index.reseed_every = 0


def _columns(interactions: Interactions) -> Any:
    """Titles and other columns for the bundle. Columns with a name that the bundle uses itself get a prefix."""
    table = interactions.item_table
    return None if table is None else with_free_names(table)

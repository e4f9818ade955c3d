"""Evaluation of a run on its test part: float models, index and post-hoc baselines, as ``metrics.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.baselines import check_baselines, evaluate_baselines
from poeem.bundle.whole_file import write_text
from poeem.engines.probing import check_nprobe
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, coarse_for_queries
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.checkpoints import Checkpoints
from poeem.training.environment import environment
from poeem.training.interaction_run import InteractionRun, load_interaction_run
from poeem.training.model import JointModel
from poeem.training.model_scores import BundleScorer, score
from poeem.training.plan import Plan
from poeem.training.tower_vectors import item_vectors, query_vectors
from poeem.training.train_joint import train_joint

if TYPE_CHECKING:
    from accelerate import Accelerator

# Settings that do not affect a model without an index.
INDEX_SETTINGS = {"spec", "assignment", "codes", "estimator", "rotation", "index_lr", "nprobe"}
INDEX_SETTINGS |= {"views", "share", "commitment", "distill", "list_loss", "balance"}


def compare(
    path: str | Path,
    *,
    accelerator: Accelerator,
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    nprobe: int | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Evaluate a stored run on its test part and write ``metrics.json``.

    The float model and all baselines come from the run's float twin. The twin is a model that is trained without the
    index, on the same batches, with the same seed, optimizer, schedule and number of steps; steps of previous runs
    count too. It is trained here if the run has none yet.

    Args:
        path: the run's folder.
        accelerator: device and processes for the training of the twin.
        baselines: names of ``poeem.baselines``. If there are none, no twin is trained and ``float`` is null.
        nprobe: lists visited per query, by index and baselines; default the run's.
        show: whether to show the progress of the twin's training.
    Returns:
        the content of ``metrics.json``.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a baseline is unknown, ``nprobe`` is given without lists, the run is damaged, or its items have been
            changed since the training.
    """
    baselines = check_baselines(baselines)
    run = load_interaction_run(path)
    run.check_unchanged()
    spec = run.bundle.spec
    if nprobe is not None and not spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    nprobe = check_nprobe(nprobe, spec.nlist, default=run.settings["nprobe"]) if spec.nlist else None
    twin = float_twin(run, accelerator, show=show) if baselines else None
    if not accelerator.is_main_process:
        return {}

    timings = dict(run.config["timings"])
    started = time.perf_counter()
    test, split = run.split.test, run.split
    available = split.seen_in_training
    items = run.items(np.arange(split.n_items))
    metrics: dict[str, Any] = {
        "recipe": run.config["recipe"],
        "dataset": run.config["dataset"],
        "spec": str(spec),
        "metric": run.bundle.metric,
        "bytes_per_vector": spec.bytes_per_vector,
        "steps": run.config["step"],
        "nprobe": nprobe,
        "float": None,
        "joint_float": score(FloatScorer(items, run.bundle.metric), run.model, test, split, items),
        "index": score(BundleScorer(run.bundle, nprobe), run.model, test, split, items),
    }
    if spec.nlist:
        metrics["index_full_probe"] = score(BundleScorer(run.bundle, None), run.model, test, split, items)
        coarse = coarse_for_queries(run.bundle.arrays)
        for block, visited in (("index", nprobe), ("index_full_probe", None)):
            # The share depends only on which lists are visited and on their lengths.
            scorer = DecodedScorer(items, run.bundle.metric, coarse=coarse, lists=run.bundle.lists, nprobe=visited)
            metrics[block]["scanned"] = scorer.scanned_share(query_vectors(run.model, test.history))
    metrics["baselines"] = {}
    if twin is not None:
        model, timings["float_train_seconds"] = twin
        floats = item_vectors(model, np.arange(split.n_items))
        metrics["float"] = score(FloatScorer(floats, model.metric), model, test, split, floats)
        metrics["baselines"] = evaluate_baselines(
            baselines,
            floats,
            spec,
            model.metric,
            test,
            query_vectors(model, test.history),
            nprobe=nprobe,
            seed=run.settings["seed"],
            available=available,
        )
    if run.config.get("changes") is not None:
        metrics["changes"] = run.config["changes"]
    timings["evaluate_seconds"] = time.perf_counter() - started
    metrics["data"] = {
        "users": run.interactions.n_users,
        "items": run.interactions.n_items,
        "events": len(run.interactions),
        "test_queries": len(test),
        "unseen_item_share": split.unseen_item_share,
        "unseen_target_share": split.unseen_target_share,
    }
    metrics |= {
        "settings": run.settings,
        "timings": timings,
        "environment": environment(accelerator.device),
    }
    write_text(run.folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


def share_twin(run: InteractionRun, other: InteractionRun) -> None:
    """Copy the float twin of another run to this one, if this one has none and its twin would be trained in the same
    way.
    """

    def twin_settings(of: InteractionRun) -> tuple[Any, ...]:
        return of.config["step"], {name: of.settings[name] for name in of.settings.keys() - INDEX_SETTINGS}

    if other.folder.has_float and not run.folder.has_float and twin_settings(run) == twin_settings(other):
        run.folder.copy_float(other.folder)


def float_twin(run: InteractionRun, accelerator: Accelerator, *, show: bool = True) -> tuple[JointModel, float]:
    """Return the model that is trained without the index, and the seconds of its training. It is trained unless the run
    has it.
    """
    settings, split = run.settings, run.split
    batches = build_batches(settings, split.train)
    log_q = column_log_q(settings, split.train, batches, split.n_items, accelerator.num_processes)
    model = build_model(settings, split.n_items, indexed=False, log_q=log_q, train=split.train)
    seconds = run.folder.load_float(model)
    if seconds is not None:
        return model.eval(), seconds
    if accelerator.num_processes != settings["processes"]:
        # Candidates of the softmax come from one process: with another number of processes they differ.
        raise ValueError(
            f"the run was trained on {settings['processes']} processes, its float twin cannot be trained on "
            f"{accelerator.num_processes}; start as many, or leave the baselines out"
        )
    # The steps of the previous run count too.
    earlier = (settings.get("start") or {}).get("steps", 0)
    until = earlier + run.config["step"]
    checkpoints = Checkpoints(run.folder.float_checkpoints, settings | {"until": until}, resume=True)
    # The curves of the twin do not belong into the run's trackers, which are closed by now.
    accelerator.trackers.clear()
    state = train_joint(
        model,
        batches,
        Plan.from_settings(settings, steps=earlier + settings["steps"], until=until),
        accelerator=accelerator,
        checkpoints=checkpoints,
        progress_title="float twin" if show else None,
    )
    model.hard_negatives = None
    if accelerator.is_main_process:
        run.folder.store_float(model, state.seconds)
    return model.cpu().eval(), state.seconds

"""Evaluation of a run of search events on its test part: float models, index and post-hoc baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.baselines import build_baseline, check_baselines
from poeem.bundle.whole_file import write_text
from poeem.data.attributes import category_numbers
from poeem.engines.probing import check_nprobe
from poeem.evaluation.scorers import FloatScorer
from poeem.training.checkpoints import Checkpoints
from poeem.training.environment import environment
from poeem.training.events.build import build_event_model
from poeem.training.events.model import EventModel
from poeem.training.events.run import EventRun, load_event_run
from poeem.training.events.scores import event_figures, event_query_vectors, product_vectors
from poeem.training.events.train import fit_events
from poeem.training.id_lookup import check_same_items
from poeem.training.model_scores import BundleScorer
from poeem.training.plan import Plan

if TYPE_CHECKING:
    from accelerate import Accelerator


def evaluate_events(
    path: str | Path,
    *,
    accelerator: Accelerator,
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    nprobe: int | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Evaluate a stored run on its test part and write ``metrics.json``; arguments and errors as ``compare``."""
    baselines, run = check_baselines(baselines), load_event_run(path)
    check_same_items(run.bundle, run.events.item_ids)
    spec, settings, timings = run.bundle.spec, run.settings, dict(run.config["timings"])
    if nprobe is not None and not spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    nprobe = check_nprobe(nprobe, spec.nlist, default=settings["nprobe"]) if spec.nlist else None
    twin = _float_twin(run, accelerator, show) if baselines else None
    if not accelerator.is_main_process:
        return {}
    started = time.perf_counter()
    targets = run.events.item[run.split.test]
    categories = category_numbers(run.events.item_table, settings["category"])
    metric, every = run.bundle.metric, np.arange(run.events.n_items)

    def figures(scorer: Any, vectors: np.ndarray) -> dict[str, Any]:
        return event_figures(scorer, vectors, targets, categories)

    vectors = event_query_vectors(run.model, run.inputs, run.split.test)
    metrics: dict[str, Any] = {
        "recipe": "events",
        "dataset": run.config["dataset"],
        "spec": str(spec),
        "metric": metric,
        "bytes_per_vector": spec.bytes_per_vector,
        "steps": run.config["step"],
        "nprobe": nprobe,
        "float": None,
        "joint_float": figures(FloatScorer(product_vectors(run.model, every), metric), vectors),
        "index": figures(BundleScorer(run.bundle, nprobe), vectors),
    }
    if spec.nlist:
        metrics["index_full_probe"] = figures(BundleScorer(run.bundle, None), vectors)
    metrics["baselines"] = {}
    if twin is not None:
        model, timings["float_train_seconds"] = twin
        floats, vectors = product_vectors(model, every), event_query_vectors(model, run.inputs, run.split.test)
        metrics["float"] = figures(FloatScorer(floats, metric), vectors)
        sizes = {"M": spec.M, "nbits": spec.nbits, "nlist": spec.nlist, "nprobe": nprobe}
        for name in baselines:
            built = build_baseline(name, floats, metric=metric, seed=settings["seed"], **sizes)
            cost = {"bytes_per_vector": built.bytes_per_vector, "build_seconds": built.build_seconds}
            metrics["baselines"][name] = figures(built.scorer, vectors) | cost
    timings["evaluate_seconds"] = time.perf_counter() - started
    metrics["data"] = {
        "users": len(run.events.user_ids),
        "items": run.events.n_items,
        "events": len(run.events),
        "test_queries": len(targets),
        "unseen_item_share": float(1 - run.split.seen.mean()),
    }
    metrics |= {"settings": settings, "timings": timings, "environment": environment(accelerator.device)}
    write_text(run.folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


def _float_twin(run: EventRun, accelerator: Accelerator, show: bool) -> tuple[EventModel, float]:
    """The model trained without the index for the same steps, and the seconds of its training; read if it is there."""
    model = build_event_model(run.settings, run.events, run.vocabulary, indexed=False)
    seconds = run.folder.load_float(model)
    if seconds is not None:
        return model.eval(), seconds
    plan = Plan.from_settings(run.settings, until=run.config["step"])
    checkpoints = Checkpoints(run.folder.float_checkpoints, run.settings | {"until": plan.until}, resume=True)
    # The curves of the twin do not belong into the run's trackers, which are closed by now.
    accelerator.trackers.clear()
    model, state = fit_events(
        run.events,
        run.split,
        run.vocabulary,
        run.settings,
        plan,
        checkpoints,
        accelerator=accelerator,
        indexed=False,
        show=show,
    )
    if accelerator.is_main_process:
        run.folder.store_float(model, state.seconds)
    return model.cpu().eval(), state.seconds

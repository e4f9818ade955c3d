"""Evaluation of a run on its test part: float models, index and post-hoc baselines, as ``metrics.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from poeem.baselines import check_baselines, evaluate_baselines
from poeem.bundle.bundle import Bundle
from poeem.bundle.whole_file import write_text
from poeem.data.split import Queries
from poeem.engines.probing import check_nprobe
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, Scorer, coarse_for_queries
from poeem.training.checkpoints import Checkpoints
from poeem.training.environment import environment
from poeem.training.model import JointModel
from poeem.training.model_scores import BundleScorer
from poeem.training.plan import Plan
from poeem.training.run_folder import RunFolder
from poeem.training.train_joint import train_joint
from poeem.training.train_model import Batches

if TYPE_CHECKING:
    from accelerate import Accelerator

# Settings that do not affect a model without an index.
INDEX_SETTINGS = {"spec", "assignment", "codes", "estimator", "rotation", "index_lr", "nprobe"}
INDEX_SETTINGS |= {"views", "share", "commitment", "distill", "list_loss", "balance"}


class ComparedRun(Protocol):
    """Protocol of a finished run with its test queries, and the parts from which its float twin is trained."""

    @property
    def folder(self) -> RunFolder: ...

    @property
    def config(self) -> dict[str, Any]: ...

    @property
    def model(self) -> JointModel: ...

    @property
    def bundle(self) -> Bundle: ...

    @property
    def test(self) -> Queries:
        """Test queries."""
        ...

    @property
    def available(self) -> np.ndarray | None:
        """Items that may be returned, bool ``(n_items,)``; None for all."""
        ...

    def check_unchanged(self) -> None:
        """Raise an error if items of the run have been changed after its training."""
        ...

    def vectors_of(self, model: JointModel) -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors of all items and of the test queries by a model: float32 ``(n_items, dim)`` and ``(nq,
        dim)``.
        """
        ...

    def twin(self) -> tuple[JointModel, Batches]:
        """Build the model without index, untrained, and its batches."""
        ...

    def data_facts(self) -> dict[str, Any]:
        """Sizes of the data, for ``metrics.json``."""
        ...


def compare(
    run: ComparedRun,
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
        run: the run.
        accelerator: device and processes for the training of the twin.
        baselines: names of ``poeem.baselines``. If there are none, no twin is trained and ``float`` is null.
        nprobe: lists visited per query, by index and baselines; default the run's.
        show: whether to show the progress of the twin's training.
    Returns:
        the content of ``metrics.json``.
    Raises:
        ValueError: a baseline is unknown, ``nprobe`` is given without lists, or the items have been changed since the
            training.
    """
    baselines = check_baselines(baselines)
    run.check_unchanged()
    spec, settings = run.bundle.spec, run.config["settings"]
    if nprobe is not None and not spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    nprobe = check_nprobe(nprobe, spec.nlist, default=settings["nprobe"]) if spec.nlist else None
    twin = float_twin(run, accelerator, show=show) if baselines else None
    if not accelerator.is_main_process:
        return {}

    timings = dict(run.config["timings"])
    started = time.perf_counter()
    test, available, metric = run.test, run.available, run.bundle.metric
    items, queries = run.vectors_of(run.model)

    def score(scorer: Scorer) -> dict[str, Any]:
        return evaluate(scorer, test, queries, exact_items=items, metric=metric, available=available)

    metrics: dict[str, Any] = {
        "recipe": run.config["recipe"],
        "dataset": run.config["dataset"],
        "spec": str(spec),
        "metric": metric,
        "bytes_per_vector": spec.bytes_per_vector,
        "steps": run.config["step"],
        "nprobe": nprobe,
        "float": None,
        "joint_float": score(FloatScorer(items, metric)),
        "index": score(BundleScorer(run.bundle, nprobe)),
    }
    if spec.nlist:
        metrics["index_full_probe"] = score(BundleScorer(run.bundle, None))
        coarse = coarse_for_queries(run.bundle.arrays)
        for block, visited in (("index", nprobe), ("index_full_probe", None)):
            # The share depends only on which lists are visited and on their lengths.
            scorer = DecodedScorer(items, metric, coarse=coarse, lists=run.bundle.lists, nprobe=visited)
            metrics[block]["scanned"] = scorer.scanned_share(queries)
    metrics["baselines"] = {}
    if twin is not None:
        model, timings["float_train_seconds"] = twin
        items, queries = run.vectors_of(model)
        metrics["float"] = score(FloatScorer(items, metric))
        metrics["baselines"] = evaluate_baselines(
            baselines,
            items,
            spec,
            metric,
            test,
            queries,
            nprobe=nprobe,
            seed=settings["seed"],
            available=available,
        )
    if run.config.get("changes") is not None:
        metrics["changes"] = run.config["changes"]
    timings["evaluate_seconds"] = time.perf_counter() - started
    metrics["data"] = run.data_facts()
    metrics |= {
        "settings": settings,
        "timings": timings,
        "environment": environment(accelerator.device),
    }
    write_text(run.folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


def share_twin(run: ComparedRun, other: ComparedRun) -> None:
    """Copy the float twin of ``other`` to ``run``, if ``run`` has none and both runs have equal steps and equal
    settings apart from those of the index.

    The data are not compared: the caller passes runs on the same data. Otherwise nothing happens.
    """

    def twin_settings(of: ComparedRun) -> tuple[Any, ...]:
        return of.config["step"], {
            name: value for name, value in of.config["settings"].items() if name not in INDEX_SETTINGS
        }

    if other.folder.has_float and not run.folder.has_float and twin_settings(run) == twin_settings(other):
        run.folder.copy_float(other.folder)


def float_twin(run: ComparedRun, accelerator: Accelerator, *, show: bool = True) -> tuple[JointModel, float]:
    """Return the model that is trained without the index, and the seconds of its training. It is trained, and stored,
    unless the run has it.
    """
    settings = run.config["settings"]
    model, batches = run.twin()
    seconds = run.folder.load_float(model)
    if seconds is not None:
        return model.eval(), seconds
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

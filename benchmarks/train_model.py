"""Models for benchmarks, by the recipe of `poeem train`: the only file here that calls poeem's training.

`train_run` trains into a folder, as the command does. `train_in_memory` returns the model, for experiments with changes
that are no option of the recipe.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.interactions import Interactions
from poeem.data.split import Queries, Split
from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.checkpoints import Checkpoints
from poeem.training.compare import compare, float_twin, share_twin
from poeem.training.devices import make_accelerator
from poeem.training.interactions.run import InteractionRun, load_interaction_run
from poeem.training.methods import method_settings
from poeem.training.model import JointModel
from poeem.training.model_scores import BundleScorer, index_scorer, score
from poeem.training.options.groups import TrainOptions
from poeem.training.options.resolve import resolve_options
from poeem.training.plan import Plan
from poeem.training.recipes.interactions import train_interactions
from poeem.training.tower_vectors import item_vectors, query_vectors
from poeem.training.train_joint import train_joint

# Settings of the original that are not the defaults of `poeem train`.
AS_PUBLISHED: dict[str, Any] = method_settings("poeem-2021", "train")


def train_run(interactions: Interactions, out: Path, **options: Any) -> InteractionRun:
    """Train model and index into a folder, without comparing.

    Args:
        interactions: the events.
        out: folder of the run.
        options: changes to the recipe's defaults, by the names of its arguments.
    """
    train_interactions(interactions, out=out, baselines=(), **options)
    return load_interaction_run(out)


def run_metrics(run: InteractionRun) -> dict[str, Any]:
    """The content of ``metrics.json`` of a run."""
    return json.loads(run.folder.metrics.read_text(encoding="utf-8"))


def compare_run(
    run: InteractionRun, baselines: tuple[str, ...], *, twin_of: InteractionRun | None = None
) -> dict[str, Any]:
    """Metrics of a run, its float twin and post-hoc baselines; ``twin_of`` is a run whose twin would be the same."""
    if twin_of is not None:
        share_twin(run, twin_of)
    return compare(run, accelerator=make_accelerator("cpu"), baselines=baselines)


def bundle_quality(run: InteractionRun, queries: Queries, nprobe: int | None = None) -> dict[str, float]:
    """Metrics of the written index of a run, in float arithmetic."""
    return score(BundleScorer(run.bundle, nprobe), run.model, queries, run.split)


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model with its data.

    Args:
        model: towers and index, in eval mode.
        split: the data it was trained on.
        seconds: time of the training.
    """

    model: JointModel
    split: Split
    seconds: float = 0.0

    @cached_property
    def items(self) -> np.ndarray:
        """Vectors of all items, float32 ``(n, dim)``."""
        return item_vectors(self.model, np.arange(self.split.n_items))

    def queries(self, queries: Queries) -> np.ndarray:
        """Vectors of queries, float32 ``(nq, dim)``."""
        return query_vectors(self.model, queries.history)

    def quality(self, scorer: Scorer, queries: Queries) -> dict[str, float]:
        """Metrics of a scorer on queries; items without a training event count as misses."""
        return score(scorer, self.model, queries, self.split, self.items)

    def float_quality(self, queries: Queries) -> dict[str, float]:
        """Metrics of the float vectors."""
        return self.quality(FloatScorer(self.items, self.model.metric), queries)

    def index_scorer(self, nprobe: int | None = None) -> Any:
        """A scorer of the index."""
        return index_scorer(self.model, self.items, nprobe)


def twin_of(run: InteractionRun) -> Trained:
    """The model of a run, trained again without an index on the same batches."""
    model, seconds = float_twin(run, make_accelerator("cpu"))
    return Trained(model, run.split, seconds)


def settings_of(tower: str = "history", **changed: Any) -> dict[str, Any]:
    """The recipe's defaults for a tower, with changes by the names of its arguments."""
    given = {name: value for name, value in changed.items() if value is not None}
    return resolve_options(TrainOptions.named(tower=tower, **given))


def train_in_memory(
    settings: dict[str, Any],
    split: Split,
    *,
    indexed: bool = True,
    warm_start: float = 0.5,
    before_step: Callable[[JointModel, int], None] | None = None,
    title: str = "training",
) -> Trained:
    """Train a model without writing a run.

    Args:
        settings: of `settings_of`; its ``epochs`` or ``steps`` is the length.
        split: the data to train on.
        indexed: False for the float twin.
        warm_start: share of the steps before the index is fitted to all items.
        before_step: called with the model and the steps since the warm start.
        title: title of the progress bar.
    """
    batches = build_batches(settings, split.train)
    steps = settings["steps"] or round(settings["epochs"] * batches.steps_per_epoch)
    settings, warm_start_step = settings | {"steps": steps}, int(warm_start * steps)
    log_q = column_log_q(settings, split.train, batches, split.n_items)
    model = build_model(settings, split.n_items, indexed=indexed, log_q=log_q, train=split.train)
    with tempfile.TemporaryDirectory() as folder:
        state = train_joint(
            model,
            batches,
            Plan.from_settings(settings, warm_start_step=warm_start_step),
            accelerator=make_accelerator("cpu"),
            checkpoints=Checkpoints(Path(folder), settings, resume=False),
            warm_start_items=np.flatnonzero(split.seen_in_training),
            before_step=[] if before_step is None else [lambda step, state: before_step(model, step - warm_start_step)],
            progress_title=title,
        )
    return Trained(model.cpu().eval(), split, state.seconds)

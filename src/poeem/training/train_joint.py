"""Training of a JointModel: the loop with warm start of the index, hard negatives and validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from poeem.training.checkpoints import Checkpoints
from poeem.training.fixed_codes import FixedCodes
from poeem.training.model import JointModel
from poeem.training.optimizer import make_optimizer
from poeem.training.plan import Plan
from poeem.training.tower_vectors import evaluating, item_vectors
from poeem.training.train_model import Batches, BeforeStep, TrainState, Validation, train_model
from poeem.training.warm_start import warm_start_at

if TYPE_CHECKING:
    from accelerate import Accelerator


def train_joint(
    model: JointModel,
    batches: Batches,
    plan: Plan,
    *,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    warm_start_items: np.ndarray | None = None,
    validate: Callable[[JointModel], float] | None = None,
    before_step: Iterable[BeforeStep] = (),
    progress_title: str | None = "training",
) -> TrainState:
    """Train towers and index in place, and resume from the last checkpoint if there is one.

    Args:
        model: towers, index (or none) and loss.
        batches: training batches.
        plan: from its ``index_step`` on the index quantizes and hard negatives are mined, in a model without an index
            too. Before that step the model has hardly been trained, so its rankings would be of no use.
        accelerator: device, processes, precision, trackers.
        checkpoints: where checkpoints are stored.
        warm_start_items: item numbers whose vectors the warm start is fitted to; None: no warm start.
        validate: returns ndcg@10 of a model.
        before_step: functions called before each step, after the warm start.
        progress_title: title of the progress bar; None shows nothing.
    Returns:
        the state at the end; ``step`` is that of the weights in ``model``.
    Raises:
        ValueError: a number is out of range.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """

    def keep_codes() -> None:
        if model.index is not None and isinstance(model.kept, FixedCodes):
            vectors = torch.from_numpy(item_vectors(model, np.arange(len(model.log_q))))
            model.kept.record(model.index, vectors.to(accelerator.device))

    warm_start = warm_start_at(
        plan, model.index, warm_start_items, lambda items: item_vectors(model, items), accelerator, then=keep_codes
    )

    def refresh_negatives(step: int, state: TrainState) -> None:
        mining = model.hard_negatives
        if mining is None or step < plan.index_step:
            return
        mining.active = True
        if (step - plan.index_step) % mining.every == 0:
            with evaluating(model):
                mining.refresh(model.scored_vectors, step)

    def validation(step: int) -> Validation:
        assert validate is not None
        value = validate(model)
        counts = model.index is None or model.index.ready
        return Validation((value,), f"validation ndcg@10 {value:.4f}", {"validation/ndcg@10": value}, counts)

    return train_model(
        model,
        make_optimizer(model, lr=plan.lr, weight_decay=plan.weight_decay, index_lr=plan.index_lr),
        batches,
        plan,
        accelerator=accelerator,
        checkpoints=checkpoints,
        validate=None if validate is None else validation,
        before_step=[warm_start, refresh_negatives, *before_step],
        facts=lambda: _facts(model),
        progress_title=progress_title,
    )


def _facts(model: JointModel) -> Mapping[str, float]:
    facts: dict[str, float] = {}
    if model.index is not None and model.index.ready:
        facts |= {f"index/{name}": value for name, value in model.index.usage().items()}
    if model.hard_negatives is not None and model.hard_negatives.active:
        facts["training/mining_time_share"] = model.hard_negatives.time_share
    return facts

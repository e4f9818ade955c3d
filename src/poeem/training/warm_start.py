"""The warm start of a model's index during training: one step of the loop, on every process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.plan import Plan
from poeem.training.train_model import BeforeStep, TrainState

if TYPE_CHECKING:
    from accelerate import Accelerator


def warm_start_at(
    plan: Plan,
    index: EmbeddingIndex | None,
    rows: np.ndarray | None,
    vectors: Callable[[np.ndarray], np.ndarray],
    accelerator: Accelerator,
    *,
    what: str = "items",
    then: Callable[[], None] = lambda: None,
) -> BeforeStep:
    """Make the function that warm-starts an index before step ``plan.index_step``. Its time is added to the state.

    Args:
        plan: gives the step.
        index: the index; None: nothing is done.
        rows: int64, ``(n,)``, numbers of the vectors to fit to; None: nothing is done. Every process computes its share
            of the vectors, and the index gathers them.
        vectors: from numbers ``(m,)`` to their current vectors, float32 ``(m, dim)``.
        accelerator: device and processes.
        what: name of the rows in the line for progress.
        then: called after the warm start.
    Returns:
        a function for ``before_step`` of :func:`~poeem.training.train_model.train_model`.
    """

    def warm_start(step: int, state: TrainState) -> str | None:
        if index is None or rows is None or step != plan.index_step:
            return None
        started = time.perf_counter()
        share = rows[accelerator.process_index :: accelerator.num_processes]
        index.warm_start(torch.from_numpy(vectors(share)).to(accelerator.device))
        then()
        state.warm_start_seconds = time.perf_counter() - started
        return f"the index is warm-started on {len(rows)} {what}"

    return warm_start

"""WarmStart: a callback of the trainer that warm-starts the indexes of a model on its documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from poeem.integrations.sentence_transformers.quantize import float_documents, quantize_of


class WarmStart(TrainerCallback):
    """Warm-starts the indexes of a model on documents at a share of the training's steps.

    Without it, each index collects the documents of the first batches and starts by itself.

    Args:
        model: the model.
        documents: texts of documents, best the whole catalogue or 20,000 of it.
        at: share of the steps, 0 to 1.
    """

    def __init__(self, model: SentenceTransformer, documents: Sequence[str], *, at: float = 0.5) -> None:
        if not 0 <= at <= 1:
            raise ValueError(f"at (={at}) must be 0 to 1, a share of the steps")
        self.model, self.documents, self.at = model, list(documents), at

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Let no index start by itself."""
        for index in quantize_of(self.model).indexes:
            index.phase.warmup_steps = 2**31  # pyright: ignore

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Warm-start at the step."""
        quantize = quantize_of(self.model)
        if quantize.ready or state.global_step < round(self.at * state.max_steps):
            return
        share = self.documents[args.process_index :: args.world_size]
        quantize.warm_start(torch.from_numpy(float_documents(self.model, share)))

"""A recipe of its own, as short as a recipe has to be: vectors with class labels, a linear tower and its index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poeem.bundle.whole_file import write_text
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.losses.two_views import two_views
from poeem.training.checkpoints import Checkpoints
from poeem.training.devices import make_accelerator
from poeem.training.optimizer import make_optimizer
from poeem.training.plan import Plan
from poeem.training.run_folder import RunFolder
from poeem.training.step_output import StepOutput
from poeem.training.tower_vectors import evaluating
from poeem.training.train_model import Validation, train_model


class LabelledModel(nn.Module):
    """A linear tower whose quantized vectors find other rows of their class."""

    def __init__(self, width: int, dim: int, spec: str, steps: int) -> None:
        super().__init__()
        self.tower = nn.Linear(width, dim)
        self.index = EmbeddingIndex(dim, spec, metric="cosine", warmup_steps=steps + 1)

    def forward(self, anchor: Tensor, positive: Tensor, label: Tensor) -> StepOutput:
        queries, items = self.tower(anchor), self.tower(positive)
        out = self.index(items)
        if self.index.ready:
            retrieval = two_views(queries, items, out.embedding, share=0.75, item_ids=label)
        else:
            retrieval = two_views(queries, items, out.embedding, share=0.0, item_ids=label)
        return StepOutput(retrieval + out.distortion, retrieval, out.distortion)


class LabelledBatches:
    """Pairs of rows of one class; a pure function of the step."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray, batch_size: int, seed: int) -> None:
        self.vectors, self.labels, self.batch_size, self.seed = vectors, labels, batch_size, seed
        self.rows_of = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
        self.steps_per_epoch = max(1, len(vectors) // batch_size)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, step, rank))
        rows = rng.integers(0, len(self.vectors), self.batch_size // world)
        positives = np.array([rng.choice(self.rows_of[label]) for label in self.labels[rows]])
        arrays = {"anchor": self.vectors[rows], "positive": self.vectors[positives], "label": self.labels[rows]}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def train_labelled(
    vectors: np.ndarray, labels: np.ndarray, out: Path, *, spec: str, dim: int, epochs: int, seed: int = 0
) -> dict[str, Any]:
    """Train tower and index; write ``out/bundle`` and ``out/metrics.json``. A tenth of the rows validates."""
    folder = RunFolder(out)
    folder.check_startable(resume=False)
    held = np.random.default_rng(seed).permutation(len(vectors)) < len(vectors) // 10
    batches = LabelledBatches(vectors[~held], labels[~held], 64, seed)
    plan = Plan(steps=epochs * batches.steps_per_epoch, lr=3e-3, seed=seed, patience=5)
    torch.manual_seed(seed)
    model = LabelledModel(vectors.shape[1], dim, spec, plan.steps)

    def tower(rows: np.ndarray) -> Tensor:
        with evaluating(model):
            return nn.functional.normalize(model.tower(torch.from_numpy(rows)))

    def warm_start(step: int, state: object) -> str | None:
        if step != plan.index_step:
            return None
        model.index.warm_start(tower(batches.vectors))
        return "the index is warm-started"

    def precision() -> float:
        """Share of the 10 best rows that are of the query's class."""
        items = tower(batches.vectors)
        items = model.index.decode(*model.index.encode(items)) if model.index.ready else items
        best = (tower(vectors[held]) @ items.T).topk(10).indices.numpy()
        return float((batches.labels[best] == labels[held][:, None]).mean())

    def validate(step: int) -> Validation:
        found = precision()
        return Validation((found,), f"precision@10 {found:.3f}", counts=model.index.ready)

    state = train_model(
        model,
        make_optimizer(model, lr=plan.lr),
        batches,
        plan,
        accelerator=make_accelerator("cpu"),
        checkpoints=Checkpoints(folder.checkpoints, {"spec": spec, "seed": seed}, resume=False),
        validate=validate,
        before_step=[warm_start],
        progress_title=None,
    )
    model.eval()
    model.index.bundle(np.arange(len(batches.vectors)), tower(batches.vectors).numpy(), folder.bundle)
    metrics = {"precision@10": precision(), "steps": state.step}
    write_text(folder.metrics, json.dumps(metrics))
    return metrics

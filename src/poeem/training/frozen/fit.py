"""Fit an index to frozen embeddings: distil the exact ranking into words, centroids, rotation and query adapter."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from poeem.data.ragged import Ragged
from poeem.engines.probing import default_nprobe
from poeem.evaluation.intervals import format_figure
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.candidates import Candidates
from poeem.training.frozen.encoded import decoded_blocks, encoded
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.list_visits import Visits
from poeem.training.frozen.model import FrozenModel
from poeem.training.loop import run_steps
from poeem.training.model import StepOutput
from poeem.training.progress import progress_bar
from poeem.training.schedule import learning_rate

if TYPE_CHECKING:
    from accelerate import Accelerator

# Steps of the words relative to those of the adapter, and of the rotation: it has to follow, not to lead.
WORDS_LR = {"PQ": 3e-3, "RQ": 1e-3}
ADAPTER_LR, ROTATION_LR = 5e-4, 1e-4


@dataclass(eq=False)
class FrozenFit:
    """What a fit ends with.

    Args:
        layer: the index.
        adapter: float32 ``(dim, dim)``, or None.
        kept: whether training was kept; False: it did not beat the warm start on held-out queries, which stands.
        warm_start, best: held-out figures before training and of what is kept.
        history: held-out figures by step.
        steps, seconds: of the training.
    """

    layer: EmbeddingIndex
    adapter: np.ndarray | None
    kept: bool
    warm_start: dict[str, Any]
    best: dict[str, Any]
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0


def fit_frozen(
    layer: EmbeddingIndex,
    items: np.ndarray,
    queries: np.ndarray,
    top: np.ndarray,
    *,
    held_out: HeldOut,
    accelerator: Accelerator,
    relevant: Ragged | None = None,
    codes: np.ndarray | None = None,
    lists: np.ndarray | None = None,
    train_words: bool = True,
    adapter: bool = True,
    epochs: float = 6.0,
    batch_size: int = 512,
    drawn: int = 8,
    temperature: float = 0.02,
    distill_weight: float = 1.0,
    label_weight: float = 1.0,
    distortion_weight: float = 0.0,
    list_weight: float = 0.0,
    label_temperature: float = 0.03,
    ranked_words: bool = True,
    lr: float | None = None,
    patience: int = 2,
    seed: int = 0,
    show: bool = True,
) -> FrozenFit:
    """Train a warm-started index, in place, for queries as they come.

    After every epoch the held-out queries judge; the best state is what the layer has in the end, and that is the
    warm start if training never beats it.

    Args:
        layer: a warm-started index; ends with the best weights.
        items: float32, ``(n, dim)``, may be memory-mapped; of unit length under ``cosine``.
        queries: float32, ``(nq, dim)``, as for ``items``.
        top: int64, ``(nq, k)``: best items of every query by exact scores.
        held_out: the judges.
        accelerator: device and precision.
        relevant: rows of the relevant items of every query; None is label-free.
        codes, lists: of all items, to be kept as they are while words and adapter learn (JPQ); None: assigned anew at
            every step.
        train_words: False: only the adapter learns; ``codes`` are needed.
        adapter: whether a matrix on the queries' side learns too.
        epochs, batch_size, drawn: see ``Candidates``.
        temperature, distill_weight, label_weight, distortion_weight, list_weight, label_temperature, ranked_words: see
            ``FrozenModel``.
        lr: of the words; default 3e-3 for PQ and 1e-3 for RQ, at unit length.
        patience: epochs without gain after which to stop.
        seed: of the draws.
        show: progress on stderr.
    Source:
        Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization", CIKM 2021 (fixed codes); Xiao et al.,
        "Distill-VQ", SIGIR 2022 (distillation to words).
    """
    began = time.perf_counter()
    length = _typical_length(items)
    model = FrozenModel(
        layer,
        adapter=adapter,
        temperature=temperature,
        distill_weight=distill_weight,
        label_weight=label_weight if relevant is not None else 0.0,
        distortion_weight=distortion_weight,
        list_weight=list_weight,
        label_temperature=label_temperature,
        ranked_words=ranked_words,
        scale=length * _typical_length(queries),
    )
    draws = Candidates(top, relevant, batch_size=batch_size, drawn=drawn, seed=seed)
    steps = max(1, round(epochs * draws.steps_per_epoch))
    optimizer = torch.optim.AdamW(
        _groups(model, lr or WORDS_LR[layer.spec.kind], train_words, length),
        lr=1.0,
        weight_decay=0.0,
    )

    def batch(number: int) -> dict[str, torch.Tensor]:
        step = draws.step(number)
        kept = {
            name: array[step.items].astype(np.int64)
            for name, array in (("codes", codes), ("lists", lists))
            if array is not None
        }
        arrays = {
            "queries": queries[step.queries].astype(np.float32),
            "items": np.asarray(items[step.items], dtype=np.float32),
            **kept,
            **{name: getattr(step, name) for name in step._fields[2:]},
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    @torch.no_grad()
    def figures() -> dict[str, Any]:
        model.eval()
        asked = model.adapted(torch.from_numpy(held_out.queries).to(layer.device))
        kept, places, visits = codes, lists, None
        if layer.coarse is not None:
            if kept is None:
                kept, places = encoded(layer, items)
            assert places is not None
            # At equal codes: else lists that grow would pass for lists that are visited more rightly.
            nlist = layer.spec.nlist
            scanned = default_nprobe(nlist) / nlist * len(items)
            visits = Visits.within(model.list_scores(asked).cpu().numpy(), places, scanned)
        found = held_out.figures(asked.cpu().numpy(), decoded_blocks(layer, items, kept, places), layer.metric, visits)
        model.train()
        return found

    warm = figures()
    result = FrozenFit(layer, None, kept=False, warm_start=warm, best=warm)
    best_state, measure, rounds = _state(model), held_out.measure, 0

    def judged(step: int, output: StepOutput) -> bool:
        nonlocal best_state, rounds
        progress.update(step, output, model)  # pyright: ignore[reportArgumentType]
        if step % draws.steps_per_epoch and step != steps:
            return False
        found = result.history[step] = figures()
        progress.note(f"step {step}: held-out {_said(found)}")
        if held_out.standing(found) > held_out.standing(result.best):
            result.best, result.kept, best_state, rounds = found, True, _state(model), 0
        else:
            rounds += 1
        return rounds >= patience

    wrapped, prepared = accelerator.prepare(model.train(), optimizer)
    with progress_bar(f"fit {layer.spec}", steps, show=show) as progress:
        progress.note(f"warm start: held-out {_said(warm)}")
        result.steps = run_steps(
            wrapped,
            prepared,
            batch,
            accelerator=accelerator,
            start=0,
            steps=steps,
            learning_rate=lambda step: learning_rate(step, steps, peak=1.0, decay="cosine"),
            seed=seed,
            # Adam's steps have no scale of their own; the layer's gradients are of very different ones.
            clip=float("inf"),
            after_step=[judged],
        )
        if not result.kept:
            progress.note(f"training did not beat the warm start in {measure} on held-out queries; it is kept")
    model.load_state_dict(best_state)
    model.eval()
    if result.kept and model.adapter is not None:
        result.adapter = model.adapter.detach().float().cpu().numpy()
    result.seconds = time.perf_counter() - began
    return result


def _groups(model: FrozenModel, lr: float, train_words: bool, length: float) -> list[dict[str, Any]]:
    """Parameters with rates of their own, as factors of the schedule; words move in units of a typical item."""
    layer, groups = model.layer, []
    if model.adapter is not None:
        groups.append({"params": [model.adapter], "lr_factor": ADAPTER_LR})
    if train_words and layer.encoder_codebooks is not None:
        # Codes are kept: what assigned them stays, but for what the words stand for.
        groups.append({"params": [layer.quantizer.codebooks], "lr_factor": lr * length})
    elif train_words:
        rotation = [] if layer.rotation is None else list(layer.rotation.parameters())
        held = {id(parameter) for parameter in [*rotation, model.adapter]}
        words = [parameter for parameter in model.parameters() if id(parameter) not in held]
        groups.append({"params": words, "lr_factor": lr * length})
        if rotation:
            groups.append({"params": rotation, "lr_factor": ROTATION_LR})
    return groups


def _state(model: FrozenModel) -> dict[str, Any]:
    return copy.deepcopy(model.state_dict())


def _typical_length(vectors: np.ndarray) -> float:
    some = np.asarray(vectors[: 2**14], dtype=np.float32)
    return float(np.sqrt((some**2).sum(1).mean()))


def _said(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {format_figure(figures, name)}" for name in figures["intervals"])

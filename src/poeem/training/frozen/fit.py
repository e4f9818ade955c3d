"""Training on frozen embeddings: codebooks, centroids, rotation and query adapter learn the exact ranking."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from poeem.engines.probing import default_nprobe
from poeem.evaluation.intervals import format_figure
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.best_in_memory import BestInMemory
from poeem.training.frozen.data import FrozenBatches, FrozenData
from poeem.training.frozen.encode_blocks import decode_blocks, encode_all
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.list_visits import Visits
from poeem.training.frozen.model import FrozenModel
from poeem.training.history import Row
from poeem.training.options.fit import FitOptions
from poeem.training.plan import Plan
from poeem.training.tower_vectors import evaluating
from poeem.training.train_model import Validation, train_model

if TYPE_CHECKING:
    from accelerate import Accelerator

# Learning rates for vectors of unit length. The rotation has the lowest one, because it must follow the codebooks.
CODEBOOK_LR = {"PQ": 3e-3, "RQ": 1e-3}
ADAPTER_LR, ROTATION_LR = 5e-4, 1e-4


class Catalogue(NamedTuple):
    """Items, and queries that are held out of training to measure an index over these items.

    Args:
        held_out: queries with their neighbours and relevant items among ``items``.
        items: float, ``(n, dim)``; of unit length under ``cosine``.
        codes, lists: fixed codes and lists of the items; None: the index encodes them.
    """

    held_out: HeldOut
    items: Any
    codes: np.ndarray | None = None
    lists: np.ndarray | None = None


@dataclass(eq=False)
class FrozenFit:
    """The result of a fit.

    Args:
        layer: the index, with the best weights.
        adapter: the query adapter, float32 ``(dim, dim)``, or None.
        kept: whether ``layer`` has trained weights. False: on held-out queries training was not better than the warm
            start, whose weights it has.
        warm_start, best: held-out figures before training, and of ``layer``.
        history: held-out figures by step, over the items of the training.
        steps, seconds: steps and wall time of the training.
        rows: loss and held-out figures by step, see `History`.
    """

    layer: EmbeddingIndex
    adapter: np.ndarray | None = None
    kept: bool = False
    warm_start: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)


def fit_frozen(
    layer: EmbeddingIndex,
    data: FrozenData,
    options: FitOptions,
    *,
    held_out: HeldOut,
    accelerator: Accelerator,
    sampled: int = 8,
    catalogue: Catalogue | None = None,
) -> FrozenFit:
    """Train a warm-started index on frozen vectors, in place.

    Held-out queries validate after every epoch. The layer ends with the best weights, which may be those of the warm
    start.

    Args:
        layer: a warm-started index.
        data: vectors, exact rankings, labels and fixed codes.
        options: losses, length, learning rates. If ``train_codebooks`` is false, ``data`` must have codes.
        held_out: queries for validation.
        accelerator: device and precision.
        sampled: items per query and step, see ``Candidates``.
        catalogue: all items, if ``data`` have a sample of them. Its figures are reported; the sample's choose the
            best weights.
    Returns:
        the layer with its figures.
    Source:
        Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization", CIKM 2021 (fixed codes); Xiao et al.,
        "Distill-VQ", SIGIR 2022 (distillation to codewords).
    """
    started = time.perf_counter()
    scale = data.item_length * data.query_length
    if not float(np.finfo(np.float32).tiny) < scale < float(np.finfo(np.float32).max):
        raise ValueError(
            f"items and queries have lengths of {data.item_length:.3g} and {data.query_length:.3g} on average, whose "
            "product float32 must be able to hold; scale the vectors"
        )
    model = FrozenModel(layer, options, labelled=data.relevant is not None, scale=scale, spread=data.spread)
    batches = FrozenBatches(data, batch_size=options.batch_size, sampled=sampled, seed=options.seed)
    result = FrozenFit(layer)
    trained_items = Catalogue(held_out, data.items, data.codes, data.lists)
    all_before = None if catalogue is None else _figures(model, catalogue)

    def validate(step: int) -> Validation:
        figures = _figures(model, trained_items)
        result.history[step] = figures
        shown = ", ".join(f"{name} {format_figure(figures, name)}" for name in figures["intervals"])
        by_name = {f"validation/{name}": figures[name] for name in figures["intervals"]}
        return Validation(held_out.sort_key(figures), f"held-out {shown}", by_name)

    plan = Plan(
        steps=max(1, round(options.epochs * batches.steps_per_epoch)),
        lr=1.0,
        decay="cosine",
        # No clipping: Adam's steps do not depend on the size of gradients, which differ widely between parameters.
        clip=float("inf"),
        seed=options.seed,
        validate_every=batches.steps_per_epoch,
        validate_first=True,
        patience=options.patience,
    )
    groups = _parameter_groups(
        model, options.lr or CODEBOOK_LR[layer.spec.kind], options.train_codebooks, data.item_length
    )
    checkpoints = BestInMemory()
    state = train_model(
        model,
        torch.optim.AdamW(groups, lr=1.0, weight_decay=0.0),
        batches,
        plan,
        accelerator=accelerator,
        checkpoints=checkpoints,
        validate=validate,
        progress_title=f"fit {layer.spec}" if options.show else None,
    )
    model.eval()
    result.rows = checkpoints.history.rows
    result.warm_start, result.steps = result.history.pop(0), max(result.history, default=0)
    result.kept = state.step > 0
    result.best = result.history[state.step] if result.kept else result.warm_start
    if catalogue is not None and all_before is not None:
        result.warm_start, result.best = all_before, _figures(model, catalogue) if result.kept else all_before
    if result.kept and model.adapter is not None:
        result.adapter = model.adapter.detach().float().cpu().numpy()
    result.seconds = time.perf_counter() - started
    return result


def _figures(model: FrozenModel, catalogue: Catalogue) -> dict[str, Any]:
    with evaluating(model):
        return _measured(model, *catalogue)


def _measured(
    model: FrozenModel, held_out: HeldOut, items: Any, codes: np.ndarray | None, lists: np.ndarray | None
) -> dict[str, Any]:
    layer, visits = model.layer, None
    queries = model.adapted(torch.from_numpy(held_out.queries).to(layer.device))
    if layer.coarse is not None:
        if codes is None:
            codes, lists = encode_all(layer, items)
        assert lists is not None
        # With an equal number of codes scanned: otherwise longer lists would seem better.
        nlist = layer.spec.nlist
        scanned = default_nprobe(nlist) / nlist * len(items)
        visits = Visits.within(model.list_scores(queries).cpu().numpy(), lists, scanned)
    blocks = decode_blocks(layer, items, codes, lists)
    return held_out.figures(queries.cpu().numpy(), blocks, layer.metric, visits)


def _parameter_groups(model: FrozenModel, lr: float, train_codebooks: bool, length: float) -> list[dict[str, Any]]:
    """Parameter groups; ``lr_factor`` is the learning rate, for codewords in units of a typical item's length."""
    layer, groups = model.layer, []
    if model.adapter is not None:
        groups.append({"params": [model.adapter], "lr_factor": ADAPTER_LR})
    if train_codebooks and layer.encoder_codebooks is not None:
        # Codes are fixed: centroids and rotation, which assigned them, are fixed too. Only decoded codewords change.
        groups.append({"params": [layer.quantizer.codebooks], "lr_factor": lr * length})
    elif train_codebooks:
        rotation = [] if layer.rotation is None else list(layer.rotation.parameters())
        others = {id(parameter) for parameter in [*rotation, model.adapter]}
        codewords = [parameter for parameter in model.parameters() if id(parameter) not in others]
        groups.append({"params": codewords, "lr_factor": lr * length})
        if rotation:
            groups.append({"params": rotation, "lr_factor": ROTATION_LR})
    return groups

"""The recipe for interactions: a two-tower model and its index, trained together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.baselines import check_baselines
from poeem.baselines.faiss_build import check_subspaces
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import OUR_COLUMNS, check_columns
from poeem.data.interactions import Interactions
from poeem.data.split import leave_last_out
from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.layers.storage_dtypes import as_stored
from poeem.layers.write import write_coded
from poeem.spec import IndexSpec
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.checkpoints import Checkpoints
from poeem.training.compare import compare
from poeem.training.devices import make_accelerator
from poeem.training.fit import FitState, fit
from poeem.training.model import JointModel
from poeem.training.model_scores import validation_score
from poeem.training.previous_run import PreviousRun, check_stability
from poeem.training.recipes.code_terms import code_terms
from poeem.training.recipes.list_terms import list_terms
from poeem.training.recipes.structure import settled_structure
from poeem.training.run_folder import RunFolder
from poeem.training.seeds import check_seed
from poeem.training.stored_interactions import interactions_digest
from poeem.training.tower_vectors import item_vectors

# What suits each tower. A window of the sequence tower holds hundreds of positives, an example of the other one.
TOWERS: dict[str, dict[str, Any]] = {
    "history": {"epochs": 5, "batch_size": 1024, "lr": 6e-3, "history_length": 20, "dropout": 0.0},
    "sequence": {"epochs": 5, "batch_size": 24, "lr": 4e-3, "history_length": 100, "dropout": 0.2},
}


def train_interactions(
    interactions: Interactions,
    *,
    spec: str | None = None,
    out: str | Path,
    dataset: str = "interactions",
    start: str | Path | None = None,
    stability: float | None = None,
    tower: str | None = None,
    dim: int | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float = 0.0,
    decay: str = "linear",
    dropout: float | None = None,
    history_length: int | None = None,
    metric: str | None = None,
    temperature: float = 0.1,
    views: str = "both",
    share: float = 0.75,
    commitment: float = 1.0,
    estimator: str | None = None,
    assignment: str | None = None,
    codes: str | None = None,
    rotation: str = "givens-greedy",
    candidates: str = "unique",
    hard_negatives: int = 0,
    distill: float = 0.0,
    list_loss: float | None = None,
    balance: float | None = None,
    index_lr: float = 1.0,
    item_table: str | None = None,
    table_bytes: int | None = None,
    nprobe: int | None = None,
    seed: int = 0,
    device: str = "auto",
    mixed_precision: str | None = None,
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    resume: bool = False,
    patience: int | None = None,
    validate_every: int | None = None,
    checkpoint_every: int | None = None,
    log_with: str | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train towers and index together, write ``out/`` with bundle and model, and compare with indexes built afterwards.

    Every argument that has None for a default takes what the run to ``start`` from has, see
    ``poeem.training.recipes.structure``, or what suits the tower, see ``TOWERS``.

    Args:
        interactions: events; the last and second last of a user test and validate.
        spec: factory string of the index; default ``"RQ8"``.
        out: folder of the run; must be empty or absent, unless ``resume``.
        dataset: what to call the data.
        start: folder of a finished run whose towers and index are trained on, on interactions that may have other
            events and other items: the next version of a model.
        stability: leave the index as ``start`` has it, and items by the codes they are served by: a code changes only
            if that lowers the item's squared error by more than so many times the mean one, see ``StableCodes``. 0 is
            always the nearest code, a large number keeps them all. The fingerprint stays, so that a delta carries what
            differs. Default: the index is trained on, and every row is another.
        tower: ``"history"`` (default) or ``"sequence"``.
        dim: width of the embeddings; default 64.
        epochs, steps: length of the training, one of the two.
        batch_size: examples a step over all processes: events, or windows of events for the sequence tower.
        lr, weight_decay, decay: of AdamW and its schedule.
        dropout, history_length: of the towers.
        metric: ``"cosine"`` (default), ``"ip"`` or ``"l2"``.
        temperature: of the softmax.
        views, share, commitment, estimator, assignment, rotation: how model and index learn, see ``JointModel`` and
            ``EmbeddingIndex``; the paper's is ``views="quantized", commitment=0``. The estimator is ``"ste"`` by
            default, and ``"task"`` where codes are fixed.
        codes: ``"reassigned"`` (default): every step assigns them anew; ``"fixed"``: items keep those of the warm
            start, words and towers learn on (JPQ), see ``FixedCodes``.
        candidates: columns of the softmax, see ``JointModel``.
        hard_negatives: items a query takes from the index as it is in training, see ``HardNegatives``; 0 is none.
        distill, list_loss: weights of further terms of the loss, see ``JointModel``; ``list_loss`` is 0.5 by default
            where there are lists: with it queries visit the lists that hold more of what is wanted.
        balance: of ``list_loss``, how much the length of a list counts against visiting it; by default 1.0: most is
            found for the codes scanned.
        index_lr: factor on ``lr`` for the index.
        item_table: ``"full"`` (default), a vector an item, or ``"compressed"``, words that items share, see
            ``CompressedTable``.
        table_bytes: words an item of a compressed table, a byte each; default 8.
        nprobe: lists visited a query where figures are given; default the square root of the number of lists.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        mixed_precision: ``"no"``, ``"fp16"`` or ``"bf16"``; default what ``accelerate launch`` says.
        baselines: indexes built after training to compare with; without any, no float twin is trained.
        resume: go on with the run in ``out``, which must have been started with the same settings.
        patience: validations without gain after which to stop with the best model; default never.
        validate_every, checkpoint_every: steps.
        log_with: ``"tensorboard"`` or ``"wandb"``.
        show: progress on stderr.
    Returns:
        what ``out/metrics.json`` holds; empty on all but the main process.
    Raises:
        ValueError: an argument is out of range, the data do not suffice, or ``out`` is taken.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    begun = None if start is None else PreviousRun(start)
    structure = settled_structure(
        {
            "spec": spec,
            "tower": tower,
            "dim": dim,
            "metric": metric,
            "assignment": assignment,
            "history_length": history_length,
            "item_table": item_table,
            "table_bytes": table_bytes,
        },
        None if begun is None else begun.settings,
    )
    of_codes = code_terms(codes, estimator, structure["assignment"])
    if of_codes["codes"] == "fixed" and begun is not None:
        raise ValueError(
            "codes (='fixed') are those of a warm start, and a run to start from has had its own; to leave codes in "
            "service as they are give a large stability, such as 1000"
        )
    check_stability(stability, begun, of_codes["estimator"])
    width: int = structure["dim"]
    chosen = _settled(structure["tower"], epochs, steps, batch_size, lr, dropout, structure["history_length"])
    baselines = check_baselines(baselines)
    parsed = IndexSpec.parse(structure["spec"])
    parsed.check_dim(width)
    for name in {"pq", "opq"} & set(baselines):
        # Now rather than after the training: an RQ of the same bytes splits nothing, but they do.
        check_subspaces(name, width, parsed.M)
    nprobe = _checked_nprobe(nprobe, parsed)
    of_lists = list_terms(parsed, list_loss, balance)
    check_seed(seed)
    ids_to_arrow(interactions.item_ids)
    check_columns(_columns(interactions), interactions.n_items)
    if begun is not None:
        begun.check_items(interactions)
    split = leave_last_out(interactions)
    if len(split.test) == 0:
        raise ValueError("interactions: no user has 3 events or more, so that nothing is left to test with; add data")
    folder = RunFolder(out)
    accelerator = make_accelerator(
        device, mixed_precision=mixed_precision, log_with=log_with, log_folder=folder.path / "logs"
    )
    if accelerator.is_main_process:
        folder.check_startable(resume=resume)
    accelerator.wait_for_everyone()

    settings: dict[str, Any] = {
        "dataset": dataset,
        "interactions": interactions_digest(interactions),
        # Before what follows from them: a resume that lacks one is told so.
        "start": None if begun is None else begun.facts,
        "stability": stability,
        **structure,
        **chosen,
        "spec": str(parsed),
        "weight_decay": weight_decay,
        "decay": decay,
        "temperature": temperature,
        "views": views,
        "share": share,
        "commitment": commitment,
        **of_codes,
        # An index that stays as it is has no use for a trained one.
        "rotation": rotation if stability is None else "frozen",
        "candidates": candidates,
        "hard_negatives": hard_negatives,
        "distill": distill,
        **of_lists,
        "index_lr": index_lr,
        "nprobe": nprobe,
        "seed": seed,
        "patience": patience,
        "validate_every": validate_every,
        "processes": accelerator.num_processes,
        "mixed_precision": accelerator.mixed_precision,
    }
    batches = build_batches(settings, split.train)
    if steps is None:
        settings["steps"] = max(1, round(settings["epochs"] * batches.steps_per_epoch))
    draws = column_log_q(settings, split.train, batches, split.n_items, accelerator.num_processes)
    model = build_model(settings, split.n_items, indexed=True, draws=draws, train=split.train)
    trained_items = np.flatnonzero(split.seen_in_training)
    if begun is None:
        _check_items(model, parsed, len(trained_items))
    else:
        _begin(model, begun, interactions, stability)
    checkpoints = Checkpoints(folder.checkpoints, settings, resume=resume)
    if not folder.has_model:
        if log_with:
            accelerator.init_trackers("poeem", config=settings)
        state = fit(
            model,
            batches,
            accelerator=accelerator,
            checkpoints=checkpoints,
            steps=settings["steps"],
            lr=settings["lr"],
            weight_decay=weight_decay,
            decay=decay,
            index_lr=index_lr,
            seed=seed,
            warm_start_items=trained_items if begun is None else None,
            warm_start_step=None if begun is None else 0,
            validate=lambda model: validation_score(model, split, nprobe=nprobe, seed=seed),
            validate_every=validate_every,
            patience=patience,
            checkpoint_every=checkpoint_every,
            title=f"{structure['tower']} + {parsed}",
            show=show,
        )
        if log_with:
            accelerator.end_training()
        if accelerator.is_main_process:
            _store(folder, model, interactions, settings, state, begun)
        accelerator.wait_for_everyone()
    return compare(folder.path, accelerator=accelerator, baselines=baselines, show=show)


def _settled(tower: str, epochs: float | None, steps: int | None, *sizes: float | None) -> dict[str, Any]:
    """Length of the training and sizes, as given or as they suit the tower."""
    if tower not in TOWERS:
        raise ValueError(f"tower (={tower!r}) must be one of {', '.join(map(repr, TOWERS))}")
    if epochs is not None and steps is not None:
        raise ValueError(f"epochs (={epochs}) and steps (={steps}) both say how long to train; give one of them")
    if steps is not None and steps < 2:
        raise ValueError(f"steps (={steps}) must be at least 2: the index is warm-started at half of them")
    if epochs is not None and not 0 < epochs < float("inf"):
        raise ValueError(f"epochs (={epochs}) must be a number above 0; 3 to 10 is usual")
    names = ("batch_size", "lr", "dropout", "history_length")
    given = {name: value for name, value in zip(names, sizes) if value is not None}
    settings = TOWERS[tower] | given | {"steps": steps}
    return settings | {"epochs": None if steps is not None else epochs or settings["epochs"]}


def _checked_nprobe(nprobe: int | None, spec: IndexSpec) -> int | None:
    if spec.nlist:
        return check_nprobe(nprobe, spec.nlist, default_nprobe(spec.nlist))
    if nprobe is not None:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    return None


def _check_items(model: JointModel, spec: IndexSpec, trained: int) -> None:
    assert model.index is not None
    if trained < model.index.min_rows:
        raise ValueError(
            f"spec (={str(spec)!r}) needs at least {model.index.min_rows} items with training events, there are "
            f"{trained}; choose fewer nbits or lists, such as '{spec.kind}{spec.M}x4'"
        )


def _begin(model: JointModel, start: PreviousRun, interactions: Interactions, stability: float | None) -> None:
    """Let a model go on from where another one ended."""
    assert model.index is not None
    start.load_into(model, interactions, exact=stability is not None)
    if stability is not None:
        model.kept = start.stable_codes(interactions, stability)
        model.index.requires_grad_(False)
        model.index.reseed_every = 0


def _store(
    folder: RunFolder,
    model: JointModel,
    interactions: Interactions,
    settings: dict[str, Any],
    state: FitState,
    start: PreviousRun | None,
) -> None:
    """Bundle and model, from which everything after this is done."""
    index = model.index
    assert index is not None
    # Its table is of use to a training alone.
    model.hard_negatives = None
    began = time.perf_counter()
    facts = {name: settings[name] for name in ("dataset", "seed", "nprobe")} | {"steps": state.step}
    vectors = torch.from_numpy(item_vectors(model, np.arange(interactions.n_items))).to(index.device)
    codes, lists = as_stored(*model.encode(torch.arange(interactions.n_items), vectors))
    columns = _columns(interactions)
    bundle = write_coded(index, interactions.item_ids, codes, lists, folder.bundle, columns=columns, training=facts)
    timings = {
        "train_seconds": state.seconds,
        "warm_start_seconds": state.warm_start_seconds,
        # What takes the place of building an index: encode the catalogue and write it.
        "bundle_seconds": time.perf_counter() - began,
    }
    config = {"dataset": settings["dataset"], "settings": settings, "step": state.step}
    if start is not None:
        config["changes"] = start.diff(bundle).counts()
    folder.store_model(model, interactions, config | {"fingerprint": bundle.fingerprint, "timings": timings})


def _columns(interactions: Interactions) -> Any:
    """Titles and other columns for the bundle; names that it needs for itself get a prefix."""
    table = interactions.item_table
    if table is None:
        return None
    return table.rename_columns([f"item_{name}" if name in OUR_COLUMNS else name for name in table.column_names])

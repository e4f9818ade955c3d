"""The recipe for pairs of texts: one encoder for queries and items, trained together with the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poeem.baselines import check_baselines
from poeem.baselines.faiss_build import check_subspaces
from poeem.bundle.ids import ids_to_arrow
from poeem.data.pairs.text_pairs import TextPairs
from poeem.option import named
from poeem.spec import IndexSpec
from poeem.training.compare import compare
from poeem.training.model import JointModel
from poeem.training.model_scores import validation_score
from poeem.training.options.pairs import TEXT_GROUPS
from poeem.training.options.resolve import resolve_text_options
from poeem.training.pairs.build import (
    build_pair_batches,
    build_pair_model,
    new_encoder,
    split_pairs,
    write_encoder,
)
from poeem.training.pairs.new_items import title_of
from poeem.training.pairs.run import load_pair_run, queries_of
from poeem.training.pairs.stored import pairs_digest, write_pairs
from poeem.training.run_training import check_enough_items, run_training, start_run, store_run
from poeem.training.seeds import check_seed
from poeem.training.tower_vectors import item_vectors, number_vectors
from poeem.training.train_model import TrainState


def train_pairs(
    pairs: TextPairs,
    out: str | Path,
    *,
    dataset: str = "pairs",
    baselines: Sequence[str] = ("pq", "opq", "rq"),
    resume: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train an encoder and its index together, write ``out/`` with bundle and model, and compare with post-hoc indexes.

    A tenth of the queries validates and a tenth tests. All items are in the index.

    Args:
        pairs: texts of queries and items.
        out: folder of the run; must be empty or absent, unless ``resume``.
        dataset: name of the data.
        baselines: post-hoc indexes to compare with; without any, no float twin is trained.
        resume: resume the run in ``out``, which must have been started with the same settings.
        options: fields of the groups in ``poeem.training.options.pairs``, by name.
    Returns:
        the content of ``out/metrics.json``; empty on all but the main process.
    Raises:
        ValueError: an argument is out of range, the data do not suffice, or ``out`` is not empty.
        RuntimeError: the table of the static encoder is not in the cache and cannot be downloaded.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    groups = dict(zip(TEXT_GROUPS, named(TEXT_GROUPS.values(), **options)))
    execution = groups["execution"]
    settings = resolve_text_options({name: value for group in groups.values() for name, value in vars(group).items()})
    check_seed(execution.seed)
    ids_to_arrow(pairs.item_ids)
    parts = split_pairs(pairs)
    if any(len(parts[part]) == 0 for part in parts):
        raise ValueError(
            f"pairs: {sum(map(len, parts.values()))} queries with an item are too few; at least 10 are needed, of "
            "which one validates and one tests"
        )
    folder, accelerator = start_run(out, execution, resume=resume)
    encoder = new_encoder(settings, pairs)
    for name in {"pq", "opq"} & set(check_baselines(baselines)):
        # Checked before the training: these baselines split the vectors, even if the index (RQ) does not.
        check_subspaces(name, encoder.dim, IndexSpec.parse(settings["spec"]).M)

    batches = build_pair_batches(settings, pairs)
    settings = {
        "dataset": dataset,
        "pairs": pairs_digest(pairs),
        **settings,
        "dim": encoder.dim,
        "mixed_precision": accelerator.mixed_precision,
    }
    if settings["steps"] is None:
        settings["steps"] = max(2, round(settings["epochs"] * batches.steps_per_epoch))
    model = build_pair_model(settings, pairs, encoder, indexed=True, batch_size=batches.batch_size)
    assert model.index is not None
    check_enough_items(model.index, pairs.n_items, "items")
    validation = queries_of(pairs, parts["validation"])

    def validate(model: JointModel) -> float:
        items = item_vectors(model, np.arange(pairs.n_items))
        queries = number_vectors(model, model.towers.query, validation.users)
        return validation_score(model, validation, items, queries, available=None, nprobe=settings["nprobe"])

    def write_data(new: Path) -> None:
        write_pairs(new, pairs)
        write_encoder(encoder, new)

    def store(state: TrainState) -> None:
        store_run(
            folder,
            model,
            settings,
            state,
            recipe="pairs",
            ids=pairs.item_ids,
            columns=_columns(pairs),
            write_data=write_data,
        )

    run_training(
        folder,
        model,
        batches,
        settings,
        execution,
        accelerator=accelerator,
        resume=resume,
        warm_start_items=np.arange(pairs.n_items),
        validate=validate,
        store=store,
    )
    return compare(load_pair_run(folder.path), accelerator=accelerator, baselines=baselines, show=execution.show)


def _columns(pairs: TextPairs) -> Any:
    """Titles for the bundle: those of the items, else the beginnings of their texts."""
    import pyarrow as pa

    titles = pairs.titles if pairs.titles is not None else list(map(title_of, pairs.items))
    return pa.table({"title": pa.array(titles, pa.string())})

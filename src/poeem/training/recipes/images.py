"""The recipe for images: a network and its index, trained together without labels (SPQ)."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.baselines import check_baselines
from poeem.bundle.storage_dtypes import as_stored
from poeem.data.images.decode import to_file
from poeem.data.images.gradients import gradient_histograms
from poeem.data.images.image_set import ImageSet, split_queries
from poeem.layers.write import write_coded
from poeem.option import named
from poeem.training.checkpoints import Checkpoints
from poeem.training.images.batches import ImageBatches
from poeem.training.images.compare import compare_images
from poeem.training.images.feature_store import stored_features
from poeem.training.images.model import ImageModel, build_image_model
from poeem.training.images.neighbours import nearest_rows
from poeem.training.images.run import PICTURE, write_image_data
from poeem.training.optimizer import make_optimizer
from poeem.training.options.groups import ExecutionOptions
from poeem.training.options.images import GROUPS, resolve_image_options
from poeem.training.plan import Plan
from poeem.training.run_folder import RunFolder
from poeem.training.run_training import start_run
from poeem.training.seeds import check_seed
from poeem.training.train_model import TrainState, train_model
from poeem.training.warm_start import warm_start_at

# Images that the index is fitted to when it joins.
WARM_START_IMAGES = 20_000
# Of a training whose length is not given: a few thousand images are few steps.
LEAST_STEPS = 400


def train_images(
    images: ImageSet,
    out: str | Path,
    *,
    dataset: str = "images",
    baselines: Sequence[str] = ("itq", "opq", "pq", "lsh"),
    test_queries: int = 2000,
    pixels: bool = False,
    features: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train a network and its index on images without labels, write ``out/``, and compare with post-hoc indexes.

    Args:
        images: the images. Their queries, else a random fifth, are held out to test; the rest is trained on. All of
            them are in the index that is written.
        out: folder of the run; must be empty or absent, unless ``resume``.
        dataset: name of the data.
        baselines: post-hoc indexes to compare with, on the vectors of the trained network.
        test_queries: test queries that are used at most, a random sample.
        pixels: also build the baselines on raw pixels.
        features: folder that keeps the features of a frozen backbone for later runs.
        resume: resume the run in ``out``, which must have been started with the same settings.
        options: fields of the groups in ``poeem.training.options.images``, by name.
    Returns:
        the content of ``out/metrics.json``; empty on all but the main process.
    Raises:
        ValueError: an argument is out of range, there are too few images, or ``out`` is not empty.
        RuntimeError: the weights of a backbone cannot be fetched.
        NotFinite: training has diverged.
        KeyboardInterrupt: after a checkpoint.
    """
    groups: dict[str, Any] = dict(zip(GROUPS, named(GROUPS.values(), **options)))
    given = {name: value for group in groups.values() for name, value in vars(group).items()}
    execution: ExecutionOptions = groups["execution"]
    check_seed(execution.seed)
    baselines = check_baselines(baselines)
    folder, accelerator = start_run(out, execution, resume=resume)
    if images.queries is None:
        images = dataclasses.replace(images, queries=split_queries(images, seed=execution.seed))
    settings: dict[str, Any] = {
        "dataset": dataset,
        "images": hashlib.sha256(images.pixels.tobytes()).hexdigest(),
        **resolve_image_options(given),
        "channels": images.pixels.shape[3],
        "image_size": images.pixels.shape[1],
        "test_queries": test_queries,
    }
    model = build_image_model(settings, pretrained=True)
    _check_enough(model, images)
    model.to(accelerator.device)
    # A frozen trunk makes the same features at every step: they are computed once.
    inputs = images.pixels
    if model.tower.frozen:
        inputs = stored_features(features, images.pixels, model.tower.trunk, model.features)
    batches = ImageBatches(
        inputs,
        images.gallery,
        batch_size=settings["batch_size"],
        seed=execution.seed,
        neighbours=_neighbours(model, images, inputs, settings),
    )
    if settings["steps"] is None:
        least = LEAST_STEPS if given["epochs"] is None else 1
        settings["steps"] = max(least, round(settings["epochs"] * batches.steps_per_epoch))
    checkpoints = Checkpoints(folder.checkpoints, settings, resume=resume)
    if not folder.has_model:
        if execution.log_with:
            accelerator.init_trackers("poeem", config=settings)
        plan = Plan.from_settings(
            settings,
            warm_start_step=int(settings["warm_start"] * settings["steps"]),
            checkpoint_every=execution.checkpoint_every,
        )
        sample = np.sort(np.random.default_rng(execution.seed).permutation(images.gallery)[:WARM_START_IMAGES])
        state = train_model(
            model,
            make_optimizer(model, lr=plan.lr, weight_decay=plan.weight_decay, index_lr=plan.index_lr),
            batches,
            plan,
            accelerator=accelerator,
            checkpoints=checkpoints,
            before_step=[
                warm_start_at(
                    plan, model.index, sample, lambda rows: model.vectors(inputs[rows]), accelerator, what="images"
                )
            ],
            facts=lambda: {f"index/{name}": value for name, value in model.index.usage().items()},
            progress_title=f"images + {settings['spec']}" if execution.show else None,
        )
        if execution.log_with:
            accelerator.end_training()
        if accelerator.is_main_process:
            _store(folder, model, images, inputs, settings, state)
        accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return {}
    return compare_images(folder.path, baselines=baselines, pixels=images if pixels else None)


def _neighbours(model: ImageModel, images: ImageSet, inputs: np.ndarray, settings: dict[str, Any]) -> np.ndarray | None:
    """The neighbours of each image of the gallery, as places in it: by features of the backbone if there is one."""
    k = min(settings["neighbours"], len(images.gallery) - 1)
    if not k:
        return None
    if settings["backbone"] is None:
        descriptors = gradient_histograms(images.pixels[images.gallery])
    else:
        descriptors = (inputs if model.tower.frozen else model.features(images.pixels))[images.gallery]
    return nearest_rows(descriptors, k, seed=settings["seed"])


def _check_enough(model: ImageModel, images: ImageSet) -> None:
    if len(images.gallery) < max(model.index.min_rows, 2):
        raise ValueError(
            f"spec (={str(model.index.spec)!r}) needs at least {max(model.index.min_rows, 2)} images to train on, "
            f"there are {len(images.gallery)} (and {len(images) - len(images.gallery)} test queries); add images"
        )


def _store(
    folder: RunFolder,
    model: ImageModel,
    images: ImageSet,
    inputs: np.ndarray,
    settings: dict[str, Any],
    state: TrainState,
) -> None:
    """Write bundle and model."""
    import pyarrow as pa

    started = time.perf_counter()
    vectors = model.vectors(inputs)
    codes, lists = as_stored(*model.index.encode(torch.from_numpy(vectors).to(model.index.device)))
    columns: dict[str, Any] = {PICTURE: pa.array([to_file(image) for image in images.pixels], pa.binary())}
    if images.labels is not None:
        columns = {"title": [images.classes[label] if label >= 0 else None for label in images.labels], **columns}
    facts = {name: settings[name] for name in ("dataset", "seed", "nprobe")} | {"steps": state.step}
    bundle = write_coded(
        model.index, images.names, codes, lists, folder.bundle, columns=pa.table(columns), training=facts
    )
    timings = {
        "train_seconds": state.seconds,
        "warm_start_seconds": state.warm_start_seconds,
        "bundle_seconds": time.perf_counter() - started,
    }
    config = {"recipe": "images", "dataset": settings["dataset"], "settings": settings, "step": state.step}
    assert images.queries is not None
    # The order in which queries are used is random: those of a data set may be sorted by class.
    queries = np.random.default_rng(0).permutation(images.queries)
    config |= {"fingerprint": bundle.fingerprint, "timings": timings, "skipped": list(images.skipped)}
    folder.store_model(model, config, lambda new: write_image_data(new, vectors, images, queries))

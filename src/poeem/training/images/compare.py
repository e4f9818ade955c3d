"""Evaluation of a run of images on its test queries, as ``metrics.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.baselines import check_baselines
from poeem.bundle.whole_file import write_text
from poeem.data.images.image_set import ImageSet
from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.evaluation.class_metrics import class_metrics
from poeem.evaluation.scorers import FloatScorer
from poeem.training.environment import environment
from poeem.training.images.evaluate import ImageTest, RowScorer
from poeem.training.images.run import ImageRun, load_image_run
from poeem.training.model_scores import BundleScorer


def compare_images(
    path: str | Path,
    *,
    baselines: Sequence[str] = ("itq", "opq", "pq", "lsh"),
    nprobe: int | None = None,
    pixels: ImageSet | None = None,
) -> dict[str, Any]:
    """Evaluate a stored run and write ``metrics.json``.

    ``float`` has the figures of the network's vectors, ``index`` those of the codes with float queries, ``symmetric``
    those of codes on both sides. Baselines are built on the network's vectors; those that cannot be built are left out
    and named in ``notes``. The block ``pixels`` has exact search and the baselines on raw pixels by L2.

    Args:
        path: the run's folder.
        baselines: names of ``poeem.baselines``.
        nprobe: lists visited per query, for a structure with lists; default that of the run, else the square root of
            their number.
        pixels: the images of the training, for the block ``pixels``; None leaves it out.
    Returns:
        the content of ``metrics.json``.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a baseline is unknown, ``nprobe`` is out of range or given without lists, the run is damaged, or
            items were added or deleted since the training.
    """
    started = time.perf_counter()
    baselines = check_baselines(baselines)
    notes: list[str] = []
    run = load_image_run(path)
    run.check_unchanged()
    spec, seed = run.bundle.spec, run.settings["seed"]
    if nprobe is not None and not spec.nlist:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    if spec.nlist:
        chosen = run.settings["nprobe"] if nprobe is None else nprobe
        nprobe = check_nprobe(chosen, spec.nlist, default=default_nprobe(spec.nlist))
    test, gallery = run.test()
    neighbours = test.neighbours("cosine")
    scorer = RowScorer(BundleScorer(run.bundle, nprobe), gallery)
    metrics: dict[str, Any] = {
        "recipe": "images",
        "dataset": run.config["dataset"],
        "spec": str(spec),
        "metric": run.bundle.metric,
        "bytes_per_vector": spec.bytes_per_vector,
        "steps": run.config["step"],
        "nprobe": nprobe,
        "float": test.figures(FloatScorer(test.gallery, "cosine"), "cosine", neighbours=neighbours),
        "index": test.figures(scorer, "cosine", neighbours=neighbours),
        "baselines": test.baselines(baselines, spec, "cosine", seed=seed, log=notes.append),
    }
    if test.query_labels is not None and test.gallery_labels is not None:
        labels = test.query_labels, test.gallery_labels
        codes = run.model.index.encode(torch.from_numpy(test.queries))
        decoded = run.model.index.decode(*codes).numpy()
        metrics["symmetric"] = class_metrics(scorer, decoded, *labels)
        some = slice(0, CURVE_QUERIES)
        for name, one in (("float", FloatScorer(test.gallery, "cosine")), ("index", scorer)):
            block = class_metrics(one, test.queries[some], labels[0][some], labels[1], curve=True)
            metrics[name]["curve"] = block["curve"]
    if pixels is not None:
        metrics["pixels"] = _on_pixels(
            pixels, run.queries[: run.settings["test_queries"]], gallery, baselines, run, notes
        )
    metrics["notes"] = notes
    metrics["data"] = {
        "images": len(run.vectors),
        "gallery": len(gallery),
        "test_queries": len(test.queries),
        "skipped": len(run.config.get("skipped", [])),
    }
    metrics["settings"] = run.settings
    metrics["timings"] = dict(run.config["timings"]) | {"evaluate_seconds": time.perf_counter() - started}
    metrics["environment"] = environment(torch.device("cpu"))
    write_text(run.folder.metrics, json.dumps(metrics, indent=2, allow_nan=False))
    return metrics


# Queries of the precision-recall curve, which needs whole rankings.
CURVE_QUERIES = 500


def _on_pixels(
    images: ImageSet,
    queries: np.ndarray,
    gallery: np.ndarray,
    baselines: Sequence[str],
    run: ImageRun,
    notes: list[str],
) -> dict[str, Any]:
    flat = images.pixels.reshape(len(images), -1)
    labels = (None, None) if images.labels is None else (images.labels[queries], images.labels[gallery])
    test = ImageTest(flat[queries].astype(np.float32) / 255, flat[gallery].astype(np.float32) / 255, *labels)
    exact = test.figures(FloatScorer(test.gallery, "l2"), "l2")
    return {
        "float": exact,
        **test.baselines(baselines, run.bundle.spec, "l2", seed=run.settings["seed"], log=notes.append),
    }

"""Rows of the records on images: trainings by `poeem train`'s recipe, and indexes built on given vectors."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.datasets import load_images
from poeem.data.images.image_set import ImageSet
from poeem.evaluation.scorers import FloatScorer
from poeem.spec import IndexSpec
from poeem.training.images.evaluate import ImageTest
from poeem.training.images.run import load_image_run
from poeem.training.recipes.images import train_images

SPECS = {64: "PQ16x4", 32: "PQ8x4", 16: "PQ4x4"}
AFTERWARDS = ("pq", "opq", "itq", "lsh")
FIGURES = ("map@1000", "precision@100", "neighbour_recall@10")


def fashion_mnist(count: int, queries: int) -> ImageSet:
    """The first training images of Fashion-MNIST, and a random sample of its test images as queries."""
    images = load_images("fashion-mnist")
    assert images.queries is not None
    assert images.labels is not None
    sample = np.random.default_rng(0).permutation(images.queries)[:queries]
    rows = np.concatenate([images.gallery[:count], sample])
    return ImageSet(
        images.pixels[rows],
        np.array(images.names)[rows].tolist(),
        images.labels[rows],
        images.classes,
        queries=np.arange(len(rows) - len(sample), len(rows)),
    )


def trained(
    images: ImageSet,
    *,
    seed: int,
    afterwards: Sequence[int] = (),
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Train without labels and give the figures of vectors and index.

    Args:
        images: gallery and queries.
        seed: of the training.
        afterwards: numbers of bits at which post-hoc indexes of the trained vectors are measured too.
        settings: options of the training.
    Returns:
        ``float``, ``index``, ``symmetric`` and ``BASELINE-BITS``, each with its figures; steps; ``train_seconds`` (wall
        time of the steps) and ``cpu_seconds`` (of the whole call, all threads together).
    """
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        options = {"show": False, "device": "cpu", "seed": seed, **settings}
        metrics = train_images(images, out, dataset="fashion-mnist", baselines=(), test_queries=len(images), **options)
        seconds = time.process_time() - started
        row: dict[str, Any] = {name: picked_figures(metrics[name]) for name in ("float", "index")}
        row["symmetric"] = {"map@1000": metrics["symmetric"]["map@1000"]}
        if afterwards:
            test, _ = load_image_run(out).test()
            row |= built(test, "cosine", afterwards, seed=seed)
    facts = {"steps": metrics["steps"], "train_seconds": metrics["timings"]["train_seconds"], "cpu_seconds": seconds}
    return row | facts


def built(test: ImageTest, metric: str, bits: Sequence[int], *, seed: int) -> dict[str, Any]:
    """The figures of post-hoc indexes of given vectors: ``BASELINE-BITS``."""
    return {
        f"{name}-{size}": picked_figures(block) | {"build_seconds": block["build_seconds"]}
        for size in bits
        for name, block in test.baselines(
            AFTERWARDS, IndexSpec.parse(SPECS[size]), metric, seed=seed, log=print
        ).items()
    }


def test_of(images: ImageSet, vectors: np.ndarray) -> ImageTest:
    """Vectors of all images as a test."""
    rows, gallery = images.queries, images.gallery
    assert rows is not None
    assert images.labels is not None
    return ImageTest(vectors[rows], vectors[gallery], images.labels[rows], images.labels[gallery])


def exact(test: ImageTest, metric: str) -> dict[str, float]:
    """The figures of exact search."""
    return picked_figures(test.figures(FloatScorer(test.gallery, metric), metric))


def picked_figures(block: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a block, without intervals and curves."""
    return {name: block[name] for name in FIGURES}

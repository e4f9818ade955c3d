"""Joint index against contrastive training with an index built afterwards, and the ablations of SPQ, on Fashion-MNIST.

60,000 images are the gallery and are trained on without labels, 2,000 of the 10,000 test images are the queries.
Rows: ``joint-BITS`` (defaults of `poeem train --dataset fashion-mnist`), ``afterwards-BITS`` (plain contrastive loss;
PQ, OPQ, ITQ and LSH built on the finished vectors), ``hard-64`` (straight-through in place of soft codewords),
``pq-8`` against ``vq-8`` (one codebook of 256 codewords), ``pixels-BITS`` (baselines on raw pixels).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import Record, parse, script_parser
from poeem.baselines import check_baselines
from poeem.data.datasets import load_images
from poeem.data.images.image_set import ImageSet
from poeem.evaluation.scorers import FloatScorer
from poeem.spec import IndexSpec
from poeem.training.images.evaluate import ImageTest
from poeem.training.recipes.images import train_images

SPECS = {64: "PQ16x4", 32: "PQ8x4", 16: "PQ4x4"}
AFTERWARDS = ("pq", "opq", "itq", "lsh")
RUNS: dict[str, dict[str, Any]] = {f"joint-{bits}": {"spec": spec} for bits, spec in SPECS.items()}
RUNS |= {f"afterwards-{bits}": {"spec": spec, "share": 0.0} for bits, spec in SPECS.items()}
RUNS |= {"hard-64": {"spec": "PQ16x4", "estimator": "ste"}, "pq-8": {"spec": "PQ2x4"}, "vq-8": {"spec": "PQ1x8"}}
PIXELS = {f"pixels-{bits}": spec for bits, spec in SPECS.items()}
FIGURES = ("map@1000", "precision@100", "neighbour_recall@10")


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", default=",".join(RUNS), help="comma-separated; also pixels-64 and so on")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--images", type=int, default=60_000, help="training images used")
    parser.add_argument("--queries", type=int, default=2_000)
    args = parse(parser)
    names = args.rows.split(",")
    unknown = [name for name in names if name not in RUNS and name not in PIXELS]
    if unknown:
        sys.exit(f"--rows: {unknown[0]} is not one of {', '.join((*RUNS, *PIXELS))}")
    settings = {"data": "fashion-mnist", "images": args.images, "queries": args.queries, "epochs": args.epochs}
    record = Record(args, settings)
    images = part_of(load_images("fashion-mnist"), args.images)
    for name in names:
        if name not in record.rows:
            record.add(name, trained(name, images, args) if name in RUNS else on_pixels(name, images, args))
            print(name, record.rows[name], flush=True)


def part_of(images: ImageSet, count: int) -> ImageSet:
    """The first training images and all test images."""
    import numpy as np

    assert images.queries is not None
    assert images.labels is not None
    rows = np.concatenate([images.gallery[:count], images.queries])
    return ImageSet(
        images.pixels[rows],
        [images.names[row] for row in rows],
        images.labels[rows],
        images.classes,
        queries=np.arange(len(rows) - len(images.queries), len(rows)),
    )


def trained(name: str, images: ImageSet, args: argparse.Namespace) -> dict[str, Any]:
    """Train a row and give its figures, with those of the indexes built on its vectors."""
    afterwards = name.startswith("afterwards") or name == "joint-64"
    with tempfile.TemporaryDirectory() as folder:
        metrics = train_images(
            images,
            Path(folder) / "run",
            dataset="fashion-mnist",
            baselines=AFTERWARDS if afterwards else (),
            test_queries=args.queries,
            epochs=args.epochs,
            seed=args.seed,
            show=False,
            device="cpu",
            **RUNS[name],
        )
    blocks = {"float": metrics["float"], "index": metrics["index"], **metrics["baselines"]}
    row: dict[str, Any] = {key: picked_figures(block) for key, block in blocks.items()}
    row["symmetric"] = {"map@1000": metrics["symmetric"]["map@1000"]}
    return row | {"steps": metrics["steps"], "train_seconds": metrics["timings"]["train_seconds"]}


def on_pixels(name: str, images: ImageSet, args: argparse.Namespace) -> dict[str, Any]:
    """Exact search and the baselines on raw pixels, by L2."""
    import numpy as np

    assert images.queries is not None
    assert images.labels is not None
    flat = images.pixels.reshape(len(images), -1).astype(np.float32) / 255
    # The queries that a run with these images takes.
    queries = np.random.default_rng(0).permutation(images.queries)[: args.queries]
    gallery = images.gallery
    test = ImageTest(flat[queries], flat[gallery], images.labels[queries], images.labels[gallery])
    blocks = {"float": test.figures(FloatScorer(test.gallery, "l2"), "l2")}
    spec = IndexSpec.parse(PIXELS[name])
    blocks |= test.baselines(check_baselines(AFTERWARDS), spec, "l2", seed=args.seed, log=print)
    return {key: picked_figures(block) for key, block in blocks.items()}


def picked_figures(block: dict[str, Any]) -> dict[str, float]:
    """The figures of a block, without intervals and curves."""
    return {name: block[name] for name in FIGURES}


if __name__ == "__main__":
    main()

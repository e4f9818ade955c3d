"""Joint index against contrastive training with an index built afterwards, and against raw pixels, on Fashion-MNIST.

60,000 images are the gallery and are trained on without labels, 2,000 of the 10,000 test images are the queries.
Rows: ``joint-BITS`` (defaults of `poeem train --dataset fashion-mnist`), ``contrastive`` (the same with the plain
contrastive loss; PQ, OPQ, ITQ and LSH of each size built on the finished vectors), ``pixels-BITS`` (the same indexes on
raw pixels, by L2).
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from benchmarks.images.rows import SPECS, built, exact, fashion_mnist, test_of, trained
from benchmarks.record import Record, parse, picked, script_parser
from poeem.data.images.image_set import ImageSet

RUNS: dict[str, dict[str, Any]] = {f"joint-{bits}": {"spec": f"OPQ{bits // 4},{spec}"} for bits, spec in SPECS.items()}
RUNS["contrastive"] = {"share": 0.0}
PIXELS = {f"pixels-{bits}": bits for bits in SPECS}


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", default=",".join((*RUNS, *PIXELS)), help="comma-separated")
    parser.add_argument("--epochs", type=float, help="default: that of the recipe")
    parser.add_argument("--images", type=int, default=60_000, help="training images used")
    parser.add_argument("--queries", type=int, default=2_000)
    args = parse(parser)
    names = args.rows.split(",")
    unknown = [name for name in names if name not in RUNS and name not in PIXELS]
    if unknown:
        sys.exit(f"--rows: {unknown[0]} is not one of {', '.join((*RUNS, *PIXELS))}")
    record = Record(args, {"data": "fashion-mnist", **picked(args, "images", "queries", "epochs")})
    images = fashion_mnist(args.images, args.queries)
    for name in names:
        if name not in record.rows:
            record.add(name, on_pixels(PIXELS[name], images, args) if name in PIXELS else on_run(name, images, args))
            print(name, record.rows[name], flush=True)


def on_run(name: str, images: ImageSet, args: argparse.Namespace) -> dict[str, Any]:
    """Train a row."""
    # Post-hoc indexes of the jointly trained vectors are measured with one seed: OPQ takes as long as the training.
    first = name == "joint-64" and args.seed == 0
    bits = tuple(SPECS) if name == "contrastive" else (64,) if first else ()
    settings = {**RUNS[name], "epochs": args.epochs}
    return trained(images, seed=args.seed, afterwards=bits, settings=settings)


def on_pixels(bits: int, images: ImageSet, args: argparse.Namespace) -> dict[str, Any]:
    """Exact search and the baselines on raw pixels, by L2."""
    flat = images.pixels.reshape(len(images), -1).astype(np.float32) / 255
    test = test_of(images, flat)
    return {"float": exact(test, "l2"), **built(test, "l2", (bits,), seed=args.seed)}


if __name__ == "__main__":
    main()

"""Ablations of self-supervised product quantization (SPQ) on a part of Fashion-MNIST.

``joint`` has the defaults of `poeem train --dataset fashion-mnist`. The other rows change one thing: ``plain`` (plain
contrastive loss, the index learns by its distortion alone), ``hard`` (straight-through in place of soft codewords),
``one-image`` (both views of the same image, as in the paper). ``pq-8`` and ``vq-8`` have two codebooks of 16 codewords
and one of 256.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.images.rows import fashion_mnist, trained
from benchmarks.record import Record, parse, picked, script_parser

RUNS: dict[str, dict[str, Any]] = {
    "joint": {},
    "plain": {"share": 0.0},
    "hard": {"estimator": "ste"},
    "one-image": {"neighbours": 0},
    "pq-8": {"spec": "PQ2x4"},
    "vq-8": {"spec": "PQ1x8"},
}


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", default=",".join(RUNS), help="comma-separated")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--images", type=int, default=20_000, help="training images used")
    parser.add_argument("--queries", type=int, default=2_000)
    args = parse(parser)
    names = args.rows.split(",")
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        sys.exit(f"--rows: {unknown[0]} is not one of {', '.join(RUNS)}")
    record = Record(args, {"data": "fashion-mnist", **picked(args, "images", "queries", "steps")})
    images = fashion_mnist(args.images, args.queries)
    for name in names:
        if name not in record.rows:
            settings = {**RUNS[name], "steps": args.steps}
            record.add(name, trained(images, seed=args.seed, settings=settings))
            print(name, record.rows[name], flush=True)


if __name__ == "__main__":
    main()

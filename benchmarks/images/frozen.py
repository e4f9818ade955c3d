"""Layers and index trained on a frozen backbone, against indexes built on its features, on a part of Fashion-MNIST.

Rows: ``trained`` (`poeem train --backbone efficientnet-lite0`, 64 bits; post-hoc indexes of its vectors too) and
``features`` (exact search, and PQ, OPQ, ITQ and LSH of 64 bits on the backbone's own features, by cosine). Features are
computed once and kept in ``--features``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.images.rows import built, exact, fashion_mnist, test_of, trained
from benchmarks.record import Record, parse, picked, script_parser
from poeem.data.images.image_set import ImageSet
from poeem.option import named
from poeem.training.images.feature_store import stored_features
from poeem.training.images.model import build_image_model
from poeem.training.options.images import GROUPS, resolve_image_options

BACKBONE = "efficientnet-lite0"


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = script_parser(__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="training images used")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--epochs", type=float, help="default: that of the recipe")
    parser.add_argument("--features", type=Path, default=Path("runs/benchmarks/features"), metavar="FOLDER")
    args = parse(parser)
    settings = {"data": "fashion-mnist", "backbone": BACKBONE, **picked(args, "images", "queries", "epochs")}
    record = Record(args, settings)
    images = fashion_mnist(args.images, args.queries)
    if "features" not in record.rows:
        record.add("features", on_features(images, args.features, args.seed))
        print("features", record.rows["features"], flush=True)
    if "trained" not in record.rows:
        options = {"backbone": BACKBONE, "features": args.features, "epochs": args.epochs}
        record.add("trained", trained(images, seed=args.seed, afterwards=(64,), settings=options))
        print("trained", record.rows["trained"], flush=True)


def on_features(images: ImageSet, folder: Path, seed: int) -> dict[str, Any]:
    """Exact search and the baselines on the backbone's features."""
    groups = named(GROUPS.values(), backbone=BACKBONE, seed=seed)
    given = {name: value for group in groups for name, value in vars(group).items()}
    size, channels = images.pixels.shape[1], images.pixels.shape[3]
    model = build_image_model(
        {**resolve_image_options(given), "channels": channels, "image_size": size}, pretrained=True
    )
    started = time.process_time()
    features = stored_features(folder, images.pixels, model.tower.trunk, model.features)
    seconds = time.process_time() - started
    test = test_of(images, features)
    return {"float": exact(test, "cosine"), **built(test, "cosine", (64,), seed=seed), "cpu_seconds": seconds}


if __name__ == "__main__":
    main()

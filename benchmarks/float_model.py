"""The float model's own quality: a tower trained without any index, by the recipe's settings, on the test.

python benchmarks/float_model.py --tower sequence --seed 0 --json benchmarks/results/float-sequence-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out
from poeem.evaluation.scorers import FloatScorer
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.checkpoints import Checkpoints
from poeem.training.devices import make_accelerator
from poeem.training.fit import fit
from poeem.training.recipes.interactions import TOWERS
from poeem.training.scoring import score
from poeem.training.vectors import item_vectors
from record import parser, settled, write


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--tower", default="sequence")
    arguments.add_argument("--dataset", default="ml-1m")
    args = settled(arguments.parse_args())
    split = leave_last_out(load_dataset(args.dataset))
    settings = TOWERS[args.tower] | {
        "tower": args.tower,
        "dim": 64,
        "metric": "cosine",
        "temperature": 0.1,
        "views": "both",
        "share": 0.5,
        "commitment": 0.0,
        "candidates": "unique",
        "seed": args.seed,
    }
    batches = build_batches(settings, split.train)
    draws = column_log_q(settings, split.train, batches, split.n_items)
    model = build_model(settings, split.n_items, indexed=False, draws=draws)
    with tempfile.TemporaryDirectory() as folder:
        state = fit(
            model,
            batches,
            accelerator=make_accelerator("cpu"),
            checkpoints=Checkpoints(Path(folder), settings, resume=False),
            steps=round(settings["epochs"] * batches.steps_per_epoch),
            lr=settings["lr"],
            seed=args.seed,
            title=f"{args.tower}, float",
        )
    model = model.cpu().eval()
    items = item_vectors(model, np.arange(split.n_items))
    metrics = score(FloatScorer(items, model.metric), model, split.test, split, items)
    print(args.tower, ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()), f"{state.seconds:.0f} s")
    write(args, {"tower": args.tower, "settings": settings, "float": metrics, "seconds": state.seconds})


if __name__ == "__main__":
    main()

"""The float model's own quality: a tower trained without any index, by the recipe's settings, on the test.

python benchmarks/float_model.py --tower sequence --seed 0 --json benchmarks/results/float-sequence-0.json
"""

from __future__ import annotations

import numpy as np

from joint import settings_of, train
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out
from poeem.evaluation.scorers import FloatScorer
from poeem.training.model_scores import score
from poeem.training.tower_vectors import item_vectors
from record import parser, settled, write


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--tower", default="sequence")
    arguments.add_argument("--dataset", default="ml-1m")
    args = settled(arguments.parse_args())
    split, settings = leave_last_out(load_dataset(args.dataset)), settings_of(args.tower, seed=args.seed)
    model, seconds = train(settings, split, indexed=False, title=f"{args.tower}, float")
    items = item_vectors(model, np.arange(split.n_items))
    metrics = score(FloatScorer(items, model.metric), model, split.test, split, items)
    print(args.tower, ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()), f"{seconds:.0f} s")
    write(args, {"tower": args.tower, "settings": settings, "float": metrics, "seconds": seconds})


if __name__ == "__main__":
    main()

"""How many bytes OPQ needs, built afterwards, for the recall that 4 bytes trained with the model have.

MovieLens-1M, the float twin of `interactions.py`; compare with `RQ4` in its results of the same seed.

    python benchmarks/opq_sizes.py --seed 0 --json benchmarks/results/opq_sizes-0.json
"""

from __future__ import annotations

import numpy as np

from joint import settings_of, train
from poeem.baselines import evaluate_baselines
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out
from poeem.evaluation.scorers import FloatScorer
from poeem.spec import IndexSpec
from poeem.training.model_scores import score
from poeem.training.tower_vectors import item_vectors, query_vectors
from record import parser, settled, write

# 4, 6, 8, 12 and 16 bytes.
SPECS = ("OPQ4,PQ4", "OPQ8,PQ8x6", "OPQ8,PQ8", "OPQ16,PQ16x6", "OPQ16,PQ16")


def main() -> None:
    args = settled(parser(__doc__).parse_args())
    split = leave_last_out(load_dataset("ml-1m"))
    model, _ = train(settings_of(seed=args.seed), split, indexed=False, title="float")
    items, queries = item_vectors(model, np.arange(split.n_items)), query_vectors(model, split.test.history)
    floats = score(FloatScorer(items, model.metric), model, split.test, split, items)
    print(f"float recall@100 {floats['recall@100']:.4f}")
    found = {}
    for spec in map(IndexSpec.parse, SPECS):
        found[str(spec)] = evaluate_baselines(
            ("opq",), items, spec, model.metric, split.test, queries, seed=args.seed, available=split.seen_in_training
        )["opq"]
        print(f"{spec!s:13} {spec.bytes_per_vector:2} bytes, recall@100 {found[str(spec)]['recall@100']:.4f}")
    write(args, {"float": floats, "opq": found})


if __name__ == "__main__":
    main()

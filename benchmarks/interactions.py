"""Interactions: what the jointly trained index keeps of the float model, and what indexes built afterwards keep.

One run a spec by the recipe of `poeem train`; all specs of a seed share the float twin, which is trained without an
index on the same batches for the same steps. Leave-last-out, full catalogue, seen items masked. MovieLens-1M if nothing
else is said, or the baskets of Complete Journey.

    python benchmarks/interactions.py --seed 0 --json benchmarks/results/movielens-history-0.json
    python benchmarks/interactions.py --dataset complete-journey --specs RQ8 RQ4 --seed 0 --json ...
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from poeem.cli.report import print_metrics
from poeem.data.datasets import load_dataset
from poeem.training.compare import compare, share_twin
from poeem.training.devices import make_accelerator
from poeem.training.load import load_run
from poeem.training.recipes.interactions import train_interactions
from record import parser, settled, write

BASELINES = ("pq", "opq", "rq", "rq-refined", "lsh")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--tower", default="history")
    arguments.add_argument("--specs", nargs="+", default=["OPQ8,PQ8", "OPQ4,PQ4"])
    arguments.add_argument("--dataset", default="ml-1m")
    arguments.add_argument("--epochs", type=float, help="default: the recipe's")
    args = settled(arguments.parse_args())
    interactions = load_dataset(args.dataset)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        first: Path | None = None
        for number, spec in enumerate(args.specs):
            out = Path(folder) / str(number)
            train_interactions(
                interactions,
                spec=spec,
                out=out,
                dataset=args.dataset,
                tower=args.tower,
                epochs=args.epochs,
                seed=args.seed,
                baselines=(),
            )
            first = first or out
            share_twin(load_run(out), load_run(first))
            found[spec] = compare(out, accelerator=make_accelerator("cpu"), baselines=BASELINES)
            print_metrics(found[spec], out)
    for spec, metrics in found.items():
        floats, index, opq = metrics["float"], metrics["index"], metrics["baselines"]["opq"]
        kept = index["recall@100"] / floats["recall@100"]
        gain = index["recall@100"] / opq["recall@100"] - 1
        print(f"{spec:12} index keeps {kept:.4f} of float recall@100, {gain:+.1%} over OPQ built afterwards")
    write(args, {"dataset": args.dataset, "specs": found})


if __name__ == "__main__":
    main()

"""Interactions: the share of the float model's quality that the trained index keeps, and that post-hoc indexes keep.

One run per spec by the recipe of `poeem train`. All specs of a seed share the float twin, which is trained without an
index on the same batches for the same steps. Leave-last-out, full catalogue, seen items masked. Data: MovieLens-1M, or
the baskets of Complete Journey.

    python -m benchmarks.interactions.joint_index --seed 0 --json benchmarks/results/movielens-history-0.json
    python -m benchmarks.interactions.joint_index --dataset complete-journey --specs RQ8 RQ4 --seed 0 --json ...
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import compare_run, train_run
from poeem.cli.print_metrics import print_metrics
from poeem.data.datasets import load_dataset

BASELINES = ("pq", "opq", "rq", "rq-refined", "lsh")


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--tower", default="history")
    parser.add_argument("--specs", nargs="+", default=["OPQ8,PQ8", "OPQ4,PQ4"])
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    args = parse(parser)
    record = Record(args, picked(args, "dataset"))
    interactions, first = load_dataset(args.dataset), None
    options = {"dataset": args.dataset, "tower": args.tower, "epochs": args.epochs, "seed": args.seed}
    with tempfile.TemporaryDirectory() as folder:
        for number, spec in enumerate(args.specs):
            run = train_run(interactions, Path(folder) / str(number), spec=spec, **options)
            first = first or run
            metrics = compare_run(run, BASELINES, twin_of=first)
            print_metrics(metrics, run.folder.path)
            record.add(spec, metrics)
    for spec, metrics in record.rows.items():
        floats, index, opq = metrics["float"], metrics["index"], metrics["baselines"]["opq"]
        kept = index["recall@100"] / floats["recall@100"]
        gain = index["recall@100"] / opq["recall@100"] - 1
        print(f"{spec:12} index keeps {kept:.4f} of float recall@100, {gain:+.1%} over post-hoc OPQ")


if __name__ == "__main__":
    main()

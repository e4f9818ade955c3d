"""The bytes that post-hoc OPQ needs for the recall of an index of 4 bytes that is trained with the model.

MovieLens-1M, the float twin of `joint_index`; compare with `RQ4` in its results of the same seed.

    python -m benchmarks.interactions.opq_sizes --seed 0 --json benchmarks/results/opq_sizes-0.json
"""

from __future__ import annotations

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import settings_of, train_in_memory
from poeem.baselines import evaluate_baselines
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out
from poeem.spec import IndexSpec

# 4, 6, 8, 12 and 16 bytes.
SPECS = ("OPQ4,PQ4", "OPQ8,PQ8x6", "OPQ8,PQ8", "OPQ16,PQ16x6", "OPQ16,PQ16")


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    args = parse(parser)
    record = Record(args, picked(args, "dataset"))
    split = leave_last_out(load_dataset(args.dataset))
    twin = train_in_memory(settings_of(seed=args.seed, epochs=args.epochs), split, indexed=False, title="float")
    floats, queries = twin.float_quality(split.test), twin.queries(split.test)
    print(f"float recall@100 {floats['recall@100']:.4f}")
    record.add("float", floats)
    for spec in map(IndexSpec.parse, SPECS):
        found = evaluate_baselines(
            ("opq",),
            twin.items,
            spec,
            twin.model.metric,
            split.test,
            queries,
            seed=args.seed,
            available=split.seen_in_training,
        )["opq"]
        record.add(str(spec), found)
        print(f"{spec!s:13} {spec.bytes_per_vector:2} bytes, recall@100 {found['recall@100']:.4f}")


if __name__ == "__main__":
    main()

"""The float model's own quality: a tower trained without an index, by the recipe's settings, on the test.

python -m benchmarks.interactions.float_model --tower sequence --seed 1 --json benchmarks/results/float-sequence-1.json
"""

from __future__ import annotations

from benchmarks.record import Record, parse, script_parser
from benchmarks.train_model import settings_of, train_in_memory
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--tower", default="sequence")
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    args = parse(parser)
    split = leave_last_out(load_dataset(args.dataset))
    settings = settings_of(args.tower, seed=args.seed, epochs=args.epochs)
    twin = train_in_memory(settings, split, indexed=False, title=f"{args.tower}, float")
    metrics = twin.float_quality(split.test)
    print(args.tower, ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()), f"{twin.seconds:.0f} s")
    Record(args, settings).add("float", {**metrics, "train_seconds": twin.seconds})


if __name__ == "__main__":
    main()

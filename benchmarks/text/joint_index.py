"""Texts: the static encoder trained with its index, against the float model of equal steps and indexes built after it.

One run per spec by the recipe of `poeem train --pairs`. All specs of a seed share the float twin, which is trained
without an index on the same batches for the same steps. Post-hoc indexes are built on the twin. Data: Debian
descriptions (a summary finds its description among 59,417) or WordNet (an example finds its sense among 117,791).

    python -m benchmarks.text.joint_index --seed 0 --json benchmarks/results/text-debian-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.record import Record, parse, picked, script_parser
from poeem.cli.print_metrics import print_metrics
from poeem.data.datasets import load_pairs
from poeem.training.compare import compare, share_twin
from poeem.training.devices import make_accelerator
from poeem.training.pairs.run import load_pair_run
from poeem.training.recipes.pairs import train_pairs

BASELINES = ("rq", "rq-refined", "binary")


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--specs", nargs="+", default=["RQ8", "RQ4", "RQ16"])
    parser.add_argument("--dataset", default="debian", choices=("debian", "wordnet"))
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    parser.add_argument("--baselines", nargs="+", default=BASELINES)
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "epochs"))
    pairs, first = load_pairs(args.dataset), None
    # Validations do not change the result; they are left out.
    options = {"dataset": args.dataset, "epochs": args.epochs, "seed": args.seed, "validate_every": 10**9}
    with tempfile.TemporaryDirectory() as folder:
        for number, spec in enumerate(args.specs):
            out = Path(folder) / str(number)
            train_pairs(pairs, out, baselines=(), spec=spec, device="cpu", **options)
            run = load_pair_run(out)
            first = first or run
            share_twin(run, first)
            metrics = compare(run, accelerator=make_accelerator("cpu"), baselines=args.baselines)
            print_metrics(metrics, out)
            record.add(spec, metrics)
    for spec, metrics in record.rows.items():
        floats, index = metrics["float"], metrics["index"]
        kept = ", ".join(f"{name} {index[name] / floats[name]:.4f}" for name in ("mrr@10", "recall@10", "recall@100"))
        print(f"{spec:6} index keeps of float {kept}")


if __name__ == "__main__":
    main()

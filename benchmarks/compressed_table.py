"""Compressed item tables: size of the model and quality, against the table of a vector an item.

MovieLens-1M, history tower, an index of RQ8. `weights` is the file of towers and index in bytes, `table` the part
of it that is the item table.

    python benchmarks/compressed_table.py --seed 0 --json benchmarks/results/compressed_table-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from poeem.data.datasets import load_dataset
from poeem.evaluation.scorers import FloatScorer
from poeem.training.load import load_run
from poeem.training.model_scores import BundleScorer, score
from poeem.training.recipes.interactions import train_interactions
from record import parser, settled, write

TABLES: dict[str, dict[str, Any]] = {
    "full": {},
    "compressed, 4 bytes": {"item_table": "compressed", "table_bytes": 4},
    "compressed, 8 bytes": {"item_table": "compressed", "table_bytes": 8},
    "compressed, 16 bytes": {"item_table": "compressed", "table_bytes": 16},
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", default="ml-1m")
    arguments.add_argument("--spec", default="RQ8")
    arguments.add_argument("--tower", default="history")
    arguments.add_argument("--epochs", type=float)
    arguments.add_argument("--tables", nargs="+", choices=tuple(TABLES), default=tuple(TABLES))
    arguments.add_argument("--part", choices=("validation", "test"), default="test")
    args = settled(arguments.parse_args())
    interactions, found = load_dataset(args.dataset), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.tables:
            out = Path(folder) / name.replace(" ", "").replace(",", "-")
            train_interactions(
                interactions,
                spec=args.spec,
                out=out,
                tower=args.tower,
                epochs=args.epochs,
                seed=args.seed,
                baselines=(),
                **TABLES[name],
            )
            run = load_run(out)
            queries, items = getattr(run.split, args.part), run.items(np.arange(run.split.n_items))
            file = out / "model" / "weights.safetensors"
            table = {name: a for name, a in load_file(file).items() if "table." in name}
            found[name] = {
                "weights": file.stat().st_size,
                "table": sum(array.nbytes for array in table.values()),
                "float": score(FloatScorer(items, run.model.metric), run.model, queries, run.split, items),
                "index": score(BundleScorer(run.bundle, None), run.model, queries, run.split, items),
            }
            one = found[name]
            print(f"{name:22} weights {one['weights'] / 1e3:7.0f} kB, table {one['table'] / 1e3:7.0f} kB", end="")
            print("".join(f", {kind} ndcg@10 {one[kind]['ndcg@10']:.4f}" for kind in ("float", "index")), flush=True)
    write(args, {"dataset": args.dataset, "spec": args.spec, "tower": args.tower, "part": args.part, "tables": found})


if __name__ == "__main__":
    main()

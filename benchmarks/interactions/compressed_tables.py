"""Compressed item tables: size of the model and quality, compared with a table of one vector per item.

MovieLens-1M, history tower, an index of RQ8. `weights` is the size of the file of towers and index in bytes, `table`
the part of it that is the item table.

    python -m benchmarks.interactions.compressed_tables --seed 0 --json benchmarks/results/compressed_table-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import Trained, bundle_quality, train_run
from poeem.data.datasets import load_dataset

TABLES: dict[str, dict[str, Any]] = {
    "full": {},
    "compressed, 4 bytes": {"item_table": "compressed", "table_bytes": 4},
    "compressed, 8 bytes": {"item_table": "compressed", "table_bytes": 8},
    "compressed, 16 bytes": {"item_table": "compressed", "table_bytes": 16},
}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--spec", default="RQ8")
    parser.add_argument("--tower", default="history")
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    parser.add_argument("--tables", nargs="+", choices=tuple(TABLES), default=tuple(TABLES))
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "spec", "tower", "part"))
    interactions = load_dataset(args.dataset)
    options = {"spec": args.spec, "tower": args.tower, "epochs": args.epochs, "seed": args.seed}
    for name in args.tables:
        if name in record.rows:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = train_run(interactions, Path(folder) / "run", **options, **TABLES[name])
            queries = getattr(run.split, args.part)
            file = run.folder.path / "model" / "weights.safetensors"
            row = {
                "weights": file.stat().st_size,
                "table": sum(array.nbytes for key, array in load_file(file).items() if "table." in key),
                "float": Trained(run.model, run.split).float_quality(queries),
                "index": bundle_quality(run, queries),
            }
        record.add(name, row)
        print(f"{name:22} weights {row['weights'] / 1e3:7.0f} kB, table {row['table'] / 1e3:7.0f} kB", end="")
        print("".join(f", {kind} ndcg@10 {row[kind]['ndcg@10']:.4f}" for kind in ("float", "index")), flush=True)


if __name__ == "__main__":
    main()

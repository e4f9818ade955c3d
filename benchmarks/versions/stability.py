"""A new version of a model: recall@100 of its index against the share of the rows in service that it rewrites.

Version 1 is trained on all events except the latest `--share`. Version 2 is trained on all events: from scratch (every
row changes), from version 1 with the index trained too (every row changes), or from version 1 with `--stability` at
several values, which keeps the index and every code that is good enough. `version 1, unchanged` has no further
training; its new items are not learnt. Each delta is written, applied to a copy of version 1, and compared with version
2 row by row. Leave-last-out over all events; `later` counts only the test events after the last event of version 1's
training. Version 1 was not trained on the test events of version 2.

    python -m benchmarks.versions.stability --seed 0 --json benchmarks/results/stability-0.json
    python -m benchmarks.versions.stability --dataset ml-100k    # a quick try
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import InteractionRun, bundle_quality, run_metrics, train_run
from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.delta import rows_sha256, write_delta
from poeem.bundle.diff import diff_bundles
from poeem.data.datasets import load_dataset
from poeem.data.interactions import Interactions

BLOCKS = ("index", "joint_float")
METRICS = ("recall@100", "recall@10", "ndcg@10")
EVERY_CODE = 1e9


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--spec", default="RQ8")
    parser.add_argument("--share", type=float, default=0.3, help="share of the events that are new in version 2")
    parser.add_argument("--epochs", type=float, default=5, help="of a training from scratch")
    parser.add_argument("--follow-epochs", type=float, default=3, help="of a training that resumes from version 1")
    parser.add_argument("--follow-lr", type=float, default=4e-3)
    parser.add_argument("--stability", type=float, nargs="+", default=[0, 0.5, 1, 2, 4, 8, EVERY_CODE])
    args = parse(parser)
    interactions = load_dataset(args.dataset)
    earlier = before(interactions, args.share)
    scratch = {"spec": args.spec, "epochs": args.epochs}
    follow = {"epochs": args.follow_epochs, "lr": args.follow_lr}
    ways: dict[str, dict[str, Any]] = {
        "version 1, unchanged": {"stability": EVERY_CODE, "steps": 2, "lr": 1e-12},
        "from scratch": scratch,
        "from scratch, steps of both": scratch | {"epochs": args.epochs + args.follow_epochs},
        "from version 1, index trained": follow,
        **{f"stability {value:g}": follow | {"stability": value} for value in args.stability},
    }
    counts = {"events": [len(earlier), len(interactions)], "items": [earlier.n_items, interactions.n_items]}
    facts = picked(args, "dataset", "spec", "share", "epochs", "follow_epochs", "follow_lr")
    record = Record(args, {**facts, **counts})
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first"
        train_run(earlier, first, dataset=args.dataset, seed=args.seed, **scratch)
        for name, options in ways.items():
            if name in record.rows:
                continue
            previous = {} if "spec" in options else {"start": first}
            out = Path(folder) / "next"
            run = train_run(interactions, out, dataset=args.dataset, seed=args.seed, **previous, **options)
            row = {
                "stability": options.get("stability"),
                **qualities(run),
                "later": later(run, interactions.timestamp, earlier.timestamp.max()),
                **rewritten(first, out, Path(folder) / "served"),
                "train_seconds": run.config["timings"]["train_seconds"],
            }
            record.add(name, row)
            shutil.rmtree(out)
            print(
                f"{name:30} recall@100 {row['index']['recall@100']:.4f}, {row['changed_share']:7.2%} of the rows "
                "rewritten"
            )


def before(interactions: Interactions, share: float) -> Interactions:
    """The events without the latest share; users and items that have none left are dropped."""
    cut = np.sort(interactions.timestamp)[round(len(interactions) * (1 - share))]
    kept = np.flatnonzero(interactions.timestamp < cut)
    users, user = np.unique(interactions.user[kept], return_inverse=True)
    items, item = np.unique(interactions.item[kept], return_inverse=True)
    return replace(
        interactions,
        user=user,
        item=item,
        timestamp=interactions.timestamp[kept],
        user_ids=interactions.user_ids[users],
        item_ids=interactions.item_ids[items],
        item_table=None if interactions.item_table is None else interactions.item_table.take(items),
    )


def qualities(run: InteractionRun) -> dict[str, Any]:
    """Metrics of the index and of the float vectors trained with it."""
    metrics = run_metrics(run)
    return {block: {metric: metrics[block][metric] for metric in METRICS} for block in BLOCKS}


def later(run: InteractionRun, times: np.ndarray, known: float) -> dict[str, float]:
    """Metrics of the index for users whose last event is later than all events of version 1."""
    last = times[run.interactions.offsets[run.split.test.users + 1] - 1]
    queries = run.split.test.take(np.flatnonzero(last > known))
    found = bundle_quality(run, queries, run.settings["nprobe"])
    return {"queries": len(queries), **{metric: found[metric] for metric in METRICS}}


def rewritten(old: Path, new: Path, served: Path) -> dict[str, Any]:
    """The rows to rewrite in service. Where both versions share their codebooks, a delta is written and tried."""
    first, second = open_bundle(old), open_bundle(new)
    counts = diff_bundles(first, second).counts()
    if not counts["same_fingerprint"]:
        # Other codebooks: every code has another meaning, even where its bytes are the same.
        return {**counts, "changed_share": 1.0, "code_share": counts["changed_share"]}
    shutil.copytree(first.path, served)
    delta = served.with_suffix(".parquet")
    facts = write_delta(first, second, delta)
    with BundleEditor(served) as editor:
        editor.apply(delta)
        assert rows_sha256(editor.bundle) == rows_sha256(second), "the delta does not turn version 1 into version 2"
    shutil.rmtree(served)
    return {**counts, "delta_bytes": facts["bytes"]}


if __name__ == "__main__":
    main()

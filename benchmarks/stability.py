"""A new version of a model: recall@100 of its index against the share of the rows in service that it rewrites.

Version 1 is trained on all events but the latest `--share`, version 2 on all of them: afresh (every row is another), on
from version 1 with its index trained on (the same), or on from it with `--stability` at several values, which leaves
the index as it is and rows where they are good enough. `as it was` is version 1 without any training, its new items not
learnt. Each delta is written, applied to a copy of version 1, and compared with version 2 row for row. Leave-last-out
over all events (`later`: those test events alone that came after all that version 1 has seen); what tests version 2
has not trained version 1.

    python benchmarks/stability.py --seed 0 --json benchmarks/results/stability-0.json
    python benchmarks/stability.py --dataset ml-100k    # a quick try
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.delta import rows_sha256, write_delta
from poeem.bundle.diff import diff_bundles
from poeem.data.datasets import load_dataset
from poeem.data.interactions import Interactions
from poeem.training.load import load_run
from poeem.training.model_scores import BundleScorer, score
from poeem.training.recipes.interactions import train_interactions
from record import parser, settled, write

BLOCKS = ("index", "joint_float")
METRICS = ("recall@100", "recall@10", "ndcg@10")
EVERY_CODE = 1e9


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", default="ml-1m")
    arguments.add_argument("--spec", default="RQ8")
    arguments.add_argument("--share", type=float, default=0.3, help="of the events that are new in version 2")
    arguments.add_argument("--epochs", type=float, default=5, help="of a training from the start")
    arguments.add_argument("--follow-epochs", type=float, default=3, help="of a training that goes on")
    arguments.add_argument("--follow-lr", type=float, default=4e-3)
    arguments.add_argument("--stability", type=float, nargs="+", default=[0, 0.5, 1, 2, 4, 8, EVERY_CODE])
    args = settled(arguments.parse_args())
    interactions = load_dataset(args.dataset)
    earlier = before(interactions, args.share)
    fresh = {"spec": args.spec, "epochs": args.epochs}
    follow = {"epochs": args.follow_epochs, "lr": args.follow_lr}
    ways: dict[str, dict[str, Any]] = {
        "as it was": {"stability": EVERY_CODE, "steps": 2, "lr": 1e-12},
        "afresh": fresh,
        "afresh, steps of both": fresh | {"epochs": args.epochs + args.follow_epochs},
        "index trained on": follow,
        **{f"stability {value:g}": follow | {"stability": value} for value in args.stability},
    }
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first"
        train_interactions(earlier, out=first, dataset=args.dataset, seed=args.seed, baselines=(), **fresh)
        for name, options in ways.items():
            out = Path(folder) / "next"
            start = {} if "spec" in options else {"start": first}
            metrics = train_interactions(
                interactions, out=out, dataset=args.dataset, seed=args.seed, baselines=(), **start, **options
            )
            rows[name] = {
                "stability": options.get("stability"),
                **{block: {metric: metrics[block][metric] for metric in METRICS} for block in BLOCKS},
                "later": later(out, interactions.timestamp, earlier.timestamp.max()),
                **carried(first, out, Path(folder) / "served"),
                "train_seconds": metrics["timings"]["train_seconds"],
            }
            shutil.rmtree(out)
            print(
                f"{name:24} recall@100 {rows[name]['index']['recall@100']:.4f}, "
                f"{rows[name]['changed_share']:7.2%} of the rows rewritten"
            )
    counts = {"events": [len(earlier), len(interactions)], "items": [earlier.n_items, interactions.n_items]}
    facts = {name: getattr(args, name) for name in ("dataset", "spec", "share", "epochs", "follow_epochs", "follow_lr")}
    write(args, {**facts, **counts, "rows": rows})


def before(interactions: Interactions, share: float) -> Interactions:
    """The events but the latest share; users and items without any are not there."""
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


def later(path: Path, times: np.ndarray, known: float) -> dict[str, float]:
    """Of the index, for users whose last event came after all that version 1 has seen."""
    run = load_run(path)
    last = times[run.interactions.offsets[run.split.test.users + 1] - 1]
    queries = run.split.test.take(np.flatnonzero(last > known))
    found = score(BundleScorer(run.bundle, run.settings["nprobe"]), run.model, queries, run.split)
    return {"queries": len(queries), **{metric: found[metric] for metric in METRICS}}


def carried(old: Path, new: Path, served: Path) -> dict[str, Any]:
    """What has to be rewritten in service; by a delta, which is tried, where the two are of one training."""
    first, second = open_bundle(old), open_bundle(new)
    counts = diff_bundles(first, second).counts()
    if not counts["same_fingerprint"]:
        # No code means what it meant, even those whose bytes are the same.
        return {**counts, "changed_share": 1.0, "code_share": counts["changed_share"]}
    shutil.copytree(first.path, served)
    delta = served.with_suffix(".parquet")
    facts = write_delta(first, second, delta)
    with BundleEditor(served) as editor:
        editor.apply(delta)
        assert rows_sha256(editor.bundle) == rows_sha256(second), "the delta does not make the one of the other"
    shutil.rmtree(served)
    return {**counts, "delta_bytes": facts["bytes"]}


if __name__ == "__main__":
    main()

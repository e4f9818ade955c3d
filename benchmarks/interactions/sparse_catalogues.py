"""Sparse catalogues: what an index of 4, 6 and 8 bytes keeps where items have few events.

One run per structure by the recipe of `poeem train`, one float twin for all of a seed, and refined post-hoc RQ on it.
Metrics are also given by the popularity of the item that should be found, in three groups of as many queries.
Further rows, at 4 bytes: the recipe with other settings, and `poeem fit` on the twin's vectors. Its queries are the
histories of training, judged by a part of them or by the validation queries, which no training has seen.

    python -m benchmarks.interactions.sparse_catalogues --data journey-5 --seed 0 --json benchmarks/results/sparse-...
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interactions.sparse_data import NAMES, load_sparse
from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import bundle_quality, compare_run, train_run, twin_of
from poeem.bench.run_problem import training_queries
from poeem.cli.print_metrics import print_metrics
from poeem.data.split import Split
from poeem.training.model_scores import BundleScorer
from poeem.training.recipes.vectors import fit_vectors

BASELINES = ("rq-refined",)
SPECS = ("RQ4", "RQ6", "RQ8")
GROUPS = ("rare", "middle", "popular")
# Rows with other settings, of the first structure.
TRIED: dict[str, dict[str, Any]] = {
    "warm_start 0.7": {"warm_start": 0.7},
    "distill 1": {"distill": 1.0},
}
FIT_QUERIES = 10_000
FITS: dict[str, dict[str, Any]] = {
    "fit": {},
    "fit, judged by unseen queries": {"unseen": True},
    "fit without a query matrix": {"adapter": False},
}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--data", choices=NAMES, default=NAMES[0])
    parser.add_argument("--specs", nargs="+", default=SPECS)
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    args = parse(parser)
    record = Record(args, picked(args, "data"))
    events, first = load_sparse(args.data), None
    trainings = {spec: (spec, {}) for spec in args.specs}
    trainings |= {f"{args.specs[0]}, {name}": (args.specs[0], changes) for name, changes in TRIED.items()}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (spec, changes)) in enumerate(trainings.items()):
            if name in record.rows and first is not None:
                continue
            options = {"dataset": args.data, "spec": spec, "seed": args.seed, "epochs": args.epochs}
            run = train_run(events, Path(folder) / str(number), **options, **changes)
            first = first or run
            if name in record.rows:
                continue
            metrics = compare_run(run, () if changes else BASELINES, twin_of=first)
            print_metrics(metrics, run.folder.path)
            if not changes:
                metrics["by_popularity"] = by_popularity(run)
            record.add(name, metrics)
        for name, how in FITS.items():
            if first is not None and f"{args.specs[0]}, {name}" not in record.rows:
                record.add(f"{args.specs[0]}, {name}", fitted(first, **how))


def fitted(run: Any, *, unseen: bool = False, adapter: bool = True) -> dict[str, Any]:
    """Metrics of `poeem fit` on the vectors of the float twin, with histories of training as queries."""
    split, twin = run.split, twin_of(run)
    queries = training_queries(twin.model, split.train)[0][:FIT_QUERIES]
    judges = {"unseen": twin.queries(split.validation)} if unseen else {}
    options = {"spec": str(run.bundle.spec), "metric": run.bundle.metric, "seed": run.config["settings"]["seed"]}
    fit = fit_vectors(twin.items, queries, **options, **judges, adapter=adapter, device="cpu", show=False)
    ids = np.arange(split.n_items)
    with tempfile.TemporaryDirectory() as folder:
        bundle = fit.bundle(ids, twin.items, Path(folder) / "bundle")
        metrics = twin.quality(BundleScorer(bundle, None), split.test)
    held_out = {when: getattr(fit.result, when) for when in ("warm_start", "best")}
    return {"index": metrics, "held_out": held_out, "kept": fit.result.kept, "notes": fit.notes}


def by_popularity(run: Any) -> dict[str, dict[str, Any]]:
    """Metrics of float twin and index, for the test queries in three groups by the popularity of their target."""
    split, twin = run.split, twin_of(run)
    found = {}
    for name, rows in zip(GROUPS, popularity_groups(split)):
        queries = split.test.take(rows)
        found[name] = {
            "queries": len(rows),
            "most_events": int(target_events(split)[rows].max()),
            "float": twin.float_quality(queries),
            "index": bundle_quality(run, queries),
        }
    return found


def target_events(split: Split) -> np.ndarray:
    """Training events of the relevant item of every test query, ``(nq,)``."""
    return np.bincount(split.train.values, minlength=split.n_items)[split.test.relevant.values]


def popularity_groups(split: Split) -> list[np.ndarray]:
    """Rows of the test queries in groups of equal size, those with the rarest targets first."""
    return np.array_split(np.argsort(target_events(split), kind="stable"), len(GROUPS))


if __name__ == "__main__":
    main()

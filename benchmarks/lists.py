"""Lists: recall@100 against the codes scanned for it, for lists built afterwards and for lists trained with the model.

MovieLens-1M, history tower, OPQ8,IVF64,PQ8. `afterwards` is k-means IVF with OPQ on the float twin's vectors; `joint`
is trained with the model as `poeem train` does, also without the loss by which lists learn to be visited, and with it
but blind to how long lists are. Codes scanned are the mean over queries of the lengths of the lists visited, as a share
of the catalogue.

    python benchmarks/lists.py --seed 0 --json benchmarks/results/lists-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from poeem.baselines import BASELINES
from poeem.data.datasets import load_dataset
from poeem.data.split import Queries, Split
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer
from poeem.spec import IndexSpec
from poeem.training.compare import float_twin
from poeem.training.devices import make_accelerator
from poeem.training.load import Run, load_run
from poeem.training.model import JointModel
from poeem.training.model_scores import index_scorer
from poeem.training.recipes.interactions import train_interactions
from poeem.training.tower_vectors import item_vectors, query_vectors
from record import parser, settled, write

WAYS: dict[str, dict[str, Any]] = {
    "joint, no list loss": {"list_loss": 0.0},
    "joint, balance 0": {"balance": 0.0},
    "joint": {},
}
NPROBES = (1, 2, 4, 8, 16)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", default="ml-1m")
    arguments.add_argument("--spec", default="OPQ8,IVF64,PQ8")
    arguments.add_argument("--epochs", type=float, default=5)
    arguments.add_argument("--part", choices=("validation", "test"), default="test")
    args = settled(arguments.parse_args())
    interactions, spec = load_dataset(args.dataset), IndexSpec.parse(args.spec)
    curves: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in WAYS.items():
            out = Path(folder) / name.replace(" ", "")
            train_interactions(
                interactions, spec=args.spec, out=out, epochs=args.epochs, seed=args.seed, baselines=(), **options
            )
            run = load_run(out)
            queries = getattr(run.split, args.part)
            if not curves:
                curves["afterwards"] = afterwards(run, queries, spec, args.seed)
            items = item_vectors(run.model, np.arange(run.split.n_items))
            curves[name] = curve(index_scorer(run.model, items, 1), run.model, run.split, queries, items)
    print("recall@100 at the share of the codes that is scanned")
    for name, points in curves.items():
        print(f"{name:20}" + "".join(f"  {one['scanned']:.3f}: {one['recall@100']:.4f}" for one in points))
    write(
        args, {"dataset": args.dataset, "spec": args.spec, "epochs": args.epochs, "part": args.part, "curves": curves}
    )


def afterwards(run: Run, queries: Queries, spec: IndexSpec, seed: int) -> list[dict[str, float]]:
    """The curve of lists by k-means, of the float twin."""
    twin, _ = float_twin(run, make_accelerator("cpu"))
    items = item_vectors(twin, np.arange(run.split.n_items))
    built = BASELINES["opq"](items, M=spec.M, nbits=spec.nbits, nlist=spec.nlist, metric=twin.metric, seed=seed)
    assert isinstance(built.scorer, DecodedScorer)
    return curve(built.scorer, twin, run.split, queries, items)


def curve(
    scorer: DecodedScorer, model: JointModel, split: Split, queries: Queries, items: np.ndarray
) -> list[dict[str, float]]:
    """What is found, and what is scanned for it, at rising numbers of lists."""
    vectors, points = query_vectors(model, queries.history), []
    for nprobe in NPROBES:
        probing = scorer.with_nprobe(nprobe)
        metrics = evaluate(
            probing, queries, vectors, exact_items=items, metric=model.metric, available=split.seen_in_training
        )
        scanned = probing.scanned_share(vectors)
        points.append({"nprobe": nprobe, "scanned": scanned, **{k: metrics[k] for k in ("recall@100", "ndcg@10")}})
    return points


if __name__ == "__main__":
    main()

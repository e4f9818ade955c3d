"""Inverted lists: recall@100 against the codes scanned, for post-hoc lists and for lists trained with the model.

MovieLens-1M, history tower, OPQ8,IVF64,PQ8. `post-hoc` is k-means IVF with OPQ on the float twin's vectors. `joint` is
trained with the model as `poeem train` does; also without the loss that teaches lists which queries visit them, and
with this loss but without its penalty on long lists. Codes scanned are the mean over queries of the lengths of the
visited lists, as a share of the catalogue.

    python -m benchmarks.interactions.lists --seed 0 --json benchmarks/results/lists-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import Trained, train_run, twin_of
from poeem.baselines import build_baseline
from poeem.data.datasets import load_dataset
from poeem.data.split import Queries
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer
from poeem.spec import IndexSpec

WAYS: dict[str, dict[str, Any]] = {
    "joint, no list loss": {"list_loss": 0.0},
    "joint, balance 0": {"balance": 0.0},
    "joint": {},
}
NPROBES = (1, 2, 4, 8, 16)


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--spec", default="OPQ8,IVF64,PQ8")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "spec", "epochs", "part"))
    interactions = load_dataset(args.dataset)
    for name, options in WAYS.items():
        if name in record.rows:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = train_run(
                interactions, Path(folder) / "run", spec=args.spec, epochs=args.epochs, seed=args.seed, **options
            )
            queries = getattr(run.split, args.part)
            if "post-hoc" not in record.rows:
                record.add("post-hoc", {"curve": post_hoc(twin_of(run), queries, args.spec, args.seed)})
            trained = Trained(run.model, run.split)
            record.add(name, {"curve": curve(trained.index_scorer(1), trained, queries)})
    print("recall@100 at the share of the codes that is scanned")
    for name, row in record.rows.items():
        print(f"{name:20}" + "".join(f"  {one['scanned']:.3f}: {one['recall@100']:.4f}" for one in row["curve"]))


def post_hoc(twin: Trained, queries: Queries, spec: str, seed: int) -> list[dict[str, float]]:
    """The curve of lists by k-means, on the vectors of the float twin."""
    parsed = IndexSpec.parse(spec)
    built = build_baseline(
        "opq", twin.items, M=parsed.M, nbits=parsed.nbits, nlist=parsed.nlist, metric=twin.model.metric, seed=seed
    )
    assert isinstance(built.scorer, DecodedScorer)
    return curve(built.scorer, twin, queries)


def curve(scorer: DecodedScorer, trained: Trained, queries: Queries) -> list[dict[str, float]]:
    """Recall and the share of the codes scanned, at rising numbers of visited lists."""
    vectors, points = trained.queries(queries), []
    available = trained.split.seen_in_training
    for nprobe in NPROBES:
        probing = scorer.with_nprobe(nprobe)
        metrics = evaluate(
            probing, queries, vectors, exact_items=trained.items, metric=trained.model.metric, available=available
        )
        scanned = probing.scanned_share(vectors)
        points.append({"nprobe": nprobe, "scanned": scanned, **{k: metrics[k] for k in ("recall@100", "ndcg@10")}})
    return points


if __name__ == "__main__":
    main()

"""The paper's table on data that can be had: p@100 and r@100 of LSH, PQ, OPQ, ScaNN, RQ, Poeem and ours, equal bytes.

Indexes that are built afterwards get the vectors of a float model; Poeem and ours are trained with theirs: same
towers, batches, seed and steps for all. `Poeem` is the paper's recipe: retrieval loss on the quantized items alone,
straight-through, no commitment, OPQ spec with the Givens rotation, warm start by space decomposition.

Two things are called relevant. `labels`: what the user did next. p@100 is the share of the 100 items found that are
relevant, r@100 the share of the relevant items that are among them, means over test users; seen items are masked.
With `--split last` there is one relevant item a user, and p@100 is r@100 / 100; with `--split time` relevant is all
that a user does after a cut in time. `neighbours`: the 100 items that the same model's float vectors put first,
nothing masked; 100 are found, so that p@100 and r@100 are one number.

    python benchmarks/paper_table.py --seed 0 --json benchmarks/results/paper_table-last-0.json
    python benchmarks/paper_table.py --split time --seed 0 --json ...

Goes on where it was stopped, by the results in `--json`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from joint import AS_PUBLISHED, settings_of, train
from poeem.baselines import BASELINES
from poeem.data.datasets import load_dataset
from poeem.data.split import Split, leave_last_out, time_split
from poeem.engines.probing import default_nprobe
from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall
from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.training.model import JointModel
from poeem.training.model_scores import index_scorer, score
from poeem.training.tower_vectors import item_vectors, query_vectors
from record import earlier, parser, settled, write

SPLITS = {"last": leave_last_out, "time": time_split}
AFTERWARDS = ("lsh", "pq", "opq", "scann", "rq")
# Name, structure at so many bytes, and what differs from `poeem train`.
TOGETHER: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Poeem", "OPQ{bytes},{lists}PQ{bytes}", AS_PUBLISHED),
    ("ours, PQ", "OPQ{bytes},{lists}PQ{bytes}", {}),
    ("ours", "{lists}RQ{bytes}", {}),
)
DEPTH = 100


def measured(scorer: Scorer, model: JointModel, split: Split, items: np.ndarray) -> dict[str, float]:
    """p@100 and r@100 by labels and by neighbours, ndcg@10 by labels; on the test."""
    by_labels = score(scorer, model, split.test, split, items)
    exact, kept = FloatScorer(items, model.metric, split.seen_in_training), []
    for rows in np.array_split(np.arange(len(split.test)), 1 + len(split.test) // 1000):
        vectors = query_vectors(model, split.test.history.take(rows))
        found = np.where(split.seen_in_training, scorer.scores(vectors), -np.inf)
        kept.append(neighbour_recall(found, exact_neighbours(exact.scores(vectors), DEPTH)))
    return {
        "labels p@100": by_labels["precision@100"],
        "labels r@100": by_labels["recall@100"],
        "labels ndcg@10": by_labels["ndcg@10"],
        "neighbours p@100": float(np.concatenate(kept).mean()),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", default="ml-1m")
    arguments.add_argument("--split", choices=tuple(SPLITS), default="last")
    arguments.add_argument("--bytes", nargs="+", type=int, default=[8, 4])
    arguments.add_argument("--nlist", type=int, default=0, help="inverted lists; LSH and ScaNN never have any")
    arguments.add_argument("--epochs", type=float, help="default: the recipe's")
    args = settled(arguments.parse_args())
    settings = {name: getattr(args, name) for name in ("dataset", "split", "bytes", "nlist", "epochs")}
    rows: dict[str, Any] = earlier(args, settings).get("rows", {})
    split = SPLITS[args.split](load_dataset(args.dataset))
    lists, nprobe = f"IVF{args.nlist}," if args.nlist else "", default_nprobe(args.nlist) if args.nlist else None

    def keep(name: str, size: int, figures: dict[str, float], **facts: Any) -> None:
        rows[f"{name}, {size} bytes"] = {"name": name, "bytes": size, **figures, **facts}
        print(f"{name:10} {size:4} bytes  " + "  ".join(f"{k} {v:.4f}" for k, v in figures.items()), flush=True)
        write(args, {"settings": settings, "queries": len(split.test), "rows": rows})

    wanted = [(name, size) for size in args.bytes for name in AFTERWARDS if f"{name}, {size} bytes" not in rows]
    if wanted:
        twin, seconds = train(settings_of(seed=args.seed, epochs=args.epochs), split, indexed=False, title="float")
        items = item_vectors(twin, np.arange(split.n_items))
        keep("float", 4 * twin.towers.dim, measured(FloatScorer(items, twin.metric), twin, split, items), train=seconds)
        for name, size in wanted:
            built = BASELINES[name](
                items, M=size, nbits=8, nlist=args.nlist, nprobe=nprobe, metric=twin.metric, seed=args.seed
            )
            keep(name, size, measured(built.scorer, twin, split, items), build=built.build_seconds)
    for size in args.bytes:
        for name, structure, changes in TOGETHER:
            if f"{name}, {size} bytes" in rows:
                continue
            spec = structure.format(bytes=size, lists=lists)
            chosen = settings_of(spec=spec, seed=args.seed, epochs=args.epochs, **changes)
            model, seconds = train(chosen, split, title=f"{name}, {spec}")
            items = item_vectors(model, np.arange(split.n_items))
            keep(
                name, size, measured(index_scorer(model, items, nprobe), model, split, items), spec=spec, train=seconds
            )


if __name__ == "__main__":
    main()

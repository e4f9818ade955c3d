"""The paper's table on public data: p@100 and r@100 of LSH, PQ, OPQ, ScaNN, RQ, Poeem and ours at equal bytes.

Post-hoc indexes get the vectors of a float model. Poeem and ours are trained with their model: same towers, batches,
seed and steps for all. `Poeem` is the paper's recipe: retrieval loss on the quantized items only, straight-through, no
commitment, OPQ spec with the Givens rotation, warm start by space decomposition.

Relevance is defined in two ways. `labels`: the next events of the user. p@100 is the share of relevant items among the
100 found, r@100 the share of the relevant items that are found, means over test users; seen items are masked. With
`--split last` a user has one relevant item, and p@100 is r@100 / 100; with `--split time` all events of a user after a
cut in time are relevant. `neighbours`: the 100 best items by the same model's float vectors, nothing masked; 100 items
are found, so that p@100 and r@100 are the same number.

    python -m benchmarks.papers.paper_table --seed 0 --json benchmarks/results/paper_table-last-0.json
    python -m benchmarks.papers.paper_table --split time --seed 0 --json ...

A run that was stopped resumes from `--json`.
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import AS_PUBLISHED, Trained, settings_of, train_in_memory
from poeem.baselines import build_baseline
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out, time_split
from poeem.engines.probing import default_nprobe
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import nearest_items, query_metrics
from poeem.evaluation.scorers import FloatScorer, Scorer

SPLITS = {"last": leave_last_out, "time": time_split}
POST_HOC = ("lsh", "pq", "opq", "scann", "rq")
# Name, structure at so many bytes, and what differs from `poeem train`.
JOINT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Poeem", "OPQ{bytes},{lists}PQ{bytes}", AS_PUBLISHED),
    ("ours, PQ", "OPQ{bytes},{lists}PQ{bytes}", {}),
    ("ours", "{lists}RQ{bytes}", {}),
)
DEPTH = 100


def measured(scorer: Scorer, trained: Trained) -> dict[str, float]:
    """p@100 and r@100 by labels and by neighbours, ndcg@10 by labels; on the test."""
    split = trained.split
    by_labels = trained.quality(scorer, split.test)
    exact, vectors = FloatScorer(trained.items, trained.model.metric), trained.queries(split.test)
    neighbours = nearest_items(exact, QuerySet(vectors), DEPTH, split.seen_in_training)
    queries = QuerySet(vectors, neighbours=neighbours)
    by_neighbours = query_metrics(scorer, queries, split.seen_in_training, neighbour_depths={"p@100": None})
    return {
        "labels p@100": by_labels["precision@100"],
        "labels r@100": by_labels["recall@100"],
        "labels ndcg@10": by_labels["ndcg@10"],
        "neighbours p@100": float(by_neighbours["p@100"].mean()),
    }


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--split", choices=tuple(SPLITS), default="last")
    parser.add_argument("--bytes", nargs="+", type=int, default=[8, 4])
    parser.add_argument("--nlist", type=int, default=0, help="inverted lists; LSH and ScaNN never have any")
    parser.add_argument("--epochs", type=float, help="default: the recipe's")
    args = parse(parser)
    split = SPLITS[args.split](load_dataset(args.dataset))
    settings = picked(args, "dataset", "split", "bytes", "nlist", "epochs")
    record = Record(args, {**settings, "queries": len(split.test)})
    lists, nprobe = f"IVF{args.nlist}," if args.nlist else "", default_nprobe(args.nlist) if args.nlist else None

    def add(name: str, size: int, figures: dict[str, float], **facts: Any) -> None:
        record.add(f"{name}, {size} bytes", {"name": name, "bytes": size, **figures, **facts})
        print(f"{name:10} {size:4} bytes  " + "  ".join(f"{k} {v:.4f}" for k, v in figures.items()), flush=True)

    missing = [(name, size) for size in args.bytes for name in POST_HOC if f"{name}, {size} bytes" not in record.rows]
    if missing:
        twin = train_in_memory(settings_of(seed=args.seed, epochs=args.epochs), split, indexed=False, title="float")
        metric, dim = twin.model.metric, twin.model.towers.dim
        add("float", 4 * dim, measured(FloatScorer(twin.items, metric), twin), train=twin.seconds)
        for name, size in missing:
            built = build_baseline(
                name, twin.items, M=size, nbits=8, nlist=args.nlist, nprobe=nprobe, metric=metric, seed=args.seed
            )
            add(name, size, measured(built.scorer, twin), build=built.build_seconds)
    for size in args.bytes:
        for name, structure, changes in JOINT:
            if f"{name}, {size} bytes" in record.rows:
                continue
            spec = structure.format(bytes=size, lists=lists)
            chosen = settings_of(spec=spec, seed=args.seed, epochs=args.epochs, **changes)
            trained = train_in_memory(chosen, split, title=f"{name}, {spec}")
            figures = measured(trained.index_scorer(nprobe), trained)
            add(name, size, figures, spec=spec, train=trained.seconds)


if __name__ == "__main__":
    main()

"""A fit that ranks a sample of the items, or fewer queries: what it loses on all items, and the seconds it takes.

GloVe words as items, other words as training queries, and others to measure with. Every row is a fit of the same items.

    python -m benchmarks.frozen.fit_samples --seed 0 --json benchmarks/results/fit_samples-0.json
"""

from __future__ import annotations

import time

import faiss
import numpy as np
import torch

from benchmarks.record import Record, parse, picked, script_parser
from poeem.data.datasets import load_embedded
from poeem.evaluation.recall import neighbour_share
from poeem.training.frozen.encode_blocks import decode_blocks
from poeem.training.recipes.vectors import VectorsFit, fit_vectors

TEST = 2_000
# Shares of the items that are ranked, and of the queries that are used.
CASES = ((1, 1), (1 / 4, 1), (1, 1 / 4), (1 / 8, 1), (1 / 2, 1))


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--spec", default="RQ8")
    args = parse(parser)
    record = Record(args, picked(args, "rows", "queries", "spec"))
    words = load_embedded("glove").items
    order = np.random.default_rng(args.seed).permutation(len(words))[: args.rows + args.queries + TEST]
    items, queries, test = np.split(words[order], [args.rows, args.rows + args.queries])
    nearest = faiss.knn(test, items, 10, metric=faiss.METRIC_INNER_PRODUCT)[1]
    for item_share, query_share in CASES:
        max_items, max_queries = round(item_share * args.rows), round(query_share * args.queries)
        name = f"{max_items:,} items, {max_queries:,} queries"
        if name in record.rows:
            continue
        began = time.process_time()
        fit = fit_vectors(
            items,
            queries,
            spec=args.spec,
            max_items=max_items,
            max_queries=max_queries,
            seed=args.seed,
            device="cpu",
            show=False,
        )
        seconds = time.process_time() - began
        shares = recalls(fit, items, test, nearest)
        warm = fit.timings["warm_start_seconds"]
        record.add(name, {**shares, "kept": fit.result.kept, "cpu_seconds": seconds, "warm_start_seconds": warm})
        print(f"{name}: {shares}, {seconds:.0f} s of the processor", flush=True)


def recalls(fit: VectorsFit, items: np.ndarray, test: np.ndarray, nearest: np.ndarray) -> dict[str, float]:
    """Share of the ten nearest items of a test query among the first 10 and 100 results, over all items."""
    adapter = fit.layer.query_adapter
    adapted = test if adapter is None else (torch.from_numpy(np.array(test)) @ adapter).detach().numpy()
    decoded = np.concatenate(list(decode_blocks(fit.layer, items, fit.codes, fit.lists)))
    found = faiss.knn(adapted, decoded, 100, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return {
        f"neighbour_recall@10{suffix}": float(neighbour_share(found[:, :depth], nearest).mean())
        for depth, suffix in ((10, ""), (100, "_in_100"))
    }


if __name__ == "__main__":
    main()

"""Scores and ranks of stock engines after an export, compared with the reference in float64, on GloVe word vectors.

Exact structures: all lists are searched; the figures are the worst score error (as a share of the query's largest
score) and the share of ranks with the reference's item or one of equal score. FastScan and ScaNN score by 8-bit tables;
their figure is the share of the reference's best 10 among the engine's best 50. faiss files are read and searched by
plain faiss.

    python -m benchmarks.engines.agreement --json benchmarks/results/engines-0.json
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import get_args

import faiss
import numpy as np

import poeem
from benchmarks.record import Record, parse, progress, script_parser
from benchmarks.vectors.glove import bundle_of, items_and_queries
from poeem.bundle import Bundle
from poeem.engines.capabilities import engine_capabilities, refusals
from poeem.engines.lance import open_lance
from poeem.engines.reference import ReferenceScorer
from poeem.engines.scann import open_scann
from poeem.metric import Metric
from poeem.spec import IndexSpec

# 10 bytes a vector.
LISTS = "IVF64,"
PRODUCTS = [("", "PQ10"), ("OPQ10,", "PQ10"), ("", "PQ20x4"), ("OPQ20,", "PQ20x4")]
ADDITIVE = [("", "RQ10"), ("", "RQ20x4")]
# Scores closer than float32 can tell apart count as equal.
TIE = 1e-5

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def specs() -> list[str]:
    return [rotation + lists + codes for lists, (rotation, codes) in product(("", LISTS), PRODUCTS + ADDITIVE)]


def opened(bundle: Bundle, items: np.ndarray, folder: Path) -> Iterator[tuple[str, bool, Search]]:
    """Every engine that supports the bundle: its name, whether it is exact, and a search of all its lists."""
    nlist = max(1, bundle.spec.nlist)
    for name, options in (("faiss", {"fastscan": False}), ("faiss FastScan", {"fastscan": True})):
        if options and (bundle.spec.kind, bundle.spec.nbits) != ("PQ", 4):
            continue
        poeem.export(bundle, "faiss", folder / name, nprobe=nlist, **options)
        yield name, not options, faiss.read_index(str(folder / name)).search
    if not refusals(engine_capabilities("lance"), bundle.spec, bundle.metric):
        poeem.export(bundle, "lance", folder / "items.lance", vectors=items, nprobe=nlist)
        yield "Lance", True, open_lance(folder / "items.lance").search
    if not refusals(engine_capabilities("scann"), bundle.spec, bundle.metric):
        poeem.export(bundle, "scann", folder / "items.scann", nprobe=nlist)
        yield "ScaNN", False, open_scann(folder / "items.scann").search


def exact(reference: ReferenceScorer, search: Search, queries: np.ndarray, k: int) -> dict[str, float]:
    """Worst score error and share of equal ranks of the best k."""
    expected, rows, largest = reference.ranked(queries, k)
    scores, ids = search(queries, k)
    # Reference scores of the returned items: an engine's score may be right, but belong to another item.
    true_scores = reference.scores_of(queries, ids)
    error = np.abs(scores - true_scores) / largest[:, None]
    same = (ids == rows) | (np.abs(true_scores - expected) <= TIE * largest[:, None])
    return {"worst_score_error": float(error.max()), "same_ranks": float(same.mean())}


def contained(reference: ReferenceScorer, search: Search, queries: np.ndarray) -> dict[str, float]:
    """Share of the best 10 among the engine's best 50, by true scores, so that items of equal score are equal."""
    expected, _, largest = reference.ranked(queries, 10)
    true_scores = reference.scores_of(queries, search(queries, 50)[1])
    sign = -1.0 if reference.larger_is_better else 1.0
    best = sign * np.sort(sign * true_scores, axis=1)[:, :10]
    return {"top_10_in_50": float((np.abs(best - expected) <= TIE * largest[:, None]).mean())}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=1_000)
    args = parse(parser)
    record = Record(args, {"data": "glove", "items": args.rows, "queries": args.queries})
    for metric, spec in progress(list(product(get_args(Metric), specs())), "engines"):
        items, queries = items_and_queries(args.rows, args.queries, metric, args.seed)
        with tempfile.TemporaryDirectory() as folder:
            bundle = bundle_of(items, spec, metric, args.seed, Path(folder) / "bundle")
            reference = ReferenceScorer(bundle)
            for engine, is_exact, search in opened(bundle, items, Path(folder)):
                found = exact(reference, search, queries[:100], 1000) if is_exact else None
                found = found or contained(reference, search, queries)
                case = {"engine": engine, "spec": str(IndexSpec.parse(spec)), "metric": metric}
                record.add(", ".join(case.values()), {**case, **found})
                print(*case.values(), *found.values())


if __name__ == "__main__":
    main()

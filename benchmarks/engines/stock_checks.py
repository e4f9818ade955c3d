"""The index checks that faiss and Lance ship, unmodified, on our files and on indexes that they trained themselves.

faiss's own index has the same structure, trained by faiss on the same GloVe word vectors; Lance's has the same number
of lists and bytes. A check passes if it raises nothing.

    python -m benchmarks.engines.stock_checks --json benchmarks/results/contrib-0.json
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import faiss
import lance
import numpy as np
import pyarrow as pa
from faiss.contrib.big_batch_search import big_batch_search
from faiss.contrib.evaluation import check_ref_knn_with_draws
from faiss.contrib.ivf_tools import search_preassigned
from lance.util import validate_vector_index

import poeem
from benchmarks.record import Record, parse, script_parser
from benchmarks.vectors.glove import bundle_of, items_and_queries
from poeem.engines.reference import ReferenceScorer
from poeem.metric import Metric

NPROBE, K = 8, 10
SPECS = ["PQ10", "OPQ10,PQ10", "IVF64,PQ10", "OPQ10,IVF64,PQ10"]
# Lance's own check requires that every vector finds itself among 5 candidates of one list: this needs fine codes.
LANCE_SPECS = ["PQ50", "IVF64,PQ50"]
# It sums in another order than the search does; faiss's own tests use the same tolerance.
BIG_BATCH_TOLERANCE = 1e-4


def with_reference(index: faiss.Index, queries: np.ndarray, folder: Path) -> None:
    """`check_ref_knn_with_draws`: the index against the formulas on its own arrays and codes, read back."""
    bundle = poeem.from_faiss(index).bundle(folder / "again")
    if bundle.spec.nlist:
        ivf_of(index).nprobe = bundle.spec.nlist
    scores, rows = ReferenceScorer(bundle).search(queries, K)
    found, ids = index.search(queries, K)
    check_ref_knn_with_draws(scores, bundle.ids[rows], found, ids)


def ivf_of(index: faiss.Index) -> Any:
    return faiss.downcast_index(faiss.extract_index_ivf(index))


def inside(index: Any, queries: np.ndarray) -> tuple[Any, np.ndarray]:
    """The inverted lists of an index, and the queries after its transforms, as a user of these tools prepares them."""
    ivf = ivf_of(index)
    ivf.nprobe = NPROBE
    if isinstance(index, faiss.IndexPreTransform):
        chain: Any = index.chain
        for i in range(chain.size()):
            queries = faiss.downcast_VectorTransform(chain.at(i)).apply(queries)
    return ivf, queries


def preassigned(index: faiss.Index, queries: np.ndarray) -> None:
    """`search_preassigned` with the lists that the index would have chosen."""
    ivf, queries = inside(index, queries)
    nearness, lists = ivf.quantizer.search(queries, NPROBE)
    scores, ids = ivf.search(queries, K)
    found = search_preassigned(ivf, queries, K, lists, nearness)
    check_ref_knn_with_draws(scores, ids, found[0], found[1])


def big_batch(index: faiss.Index, queries: np.ndarray, method: str) -> None:
    """`big_batch_search` against the ordinary search."""
    ivf, queries = inside(index, queries)
    with contextlib.redirect_stdout(None):
        found = big_batch_search(ivf, queries, K, method=method)
    scores, ids = ivf.search(queries, K)
    check_ref_knn_with_draws(scores, ids, found[0], found[1], rtol=BIG_BATCH_TOLERANCE)


def best_points(index: Any, queries: np.ndarray) -> None:
    """`ParameterSpace.explore`: its best point finds what a search of so many lists finds."""
    ivf = ivf_of(index)
    ivf.nprobe = ivf.nlist
    truth = index.search(queries, 1)[1]
    criterion: Any = faiss.OneRecallAtRCriterion(len(queries), 1)
    criterion.nnn = 1
    criterion.set_groundtruth(None, truth)
    space: Any = faiss.ParameterSpace()
    space.verbose = 0
    space.initialize(index)
    explored = space.explore(index, queries, criterion)  # the points live as long as this does
    points = explored.optimal_pts
    assert points.size() > 1, "no operating points"
    for point in (points.at(i) for i in range(points.size())):
        if point.key:
            space.set_index_parameters(index, point.key)
            found = float((index.search(queries, 1)[1] == truth).mean())
            assert found == point.perf, f"{point.key}: {found} is not {point.perf}"


def verdict(check: Callable[[], object]) -> str:
    """``pass``, or the first two lines of the error."""
    try:
        check()
    except (AssertionError, ValueError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"fails: {' '.join(lines[:2])}"
    return "pass"


def stock_index(items: np.ndarray, spec: str, metric: Metric) -> faiss.Index:
    """The structure trained and filled by faiss; PQ10np is PQ10 without polysemous codes."""
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    codes = "PQ10np" if spec.endswith(",PQ10") else "PQ10"
    factory = ("L2norm," if metric == "cosine" else "") + spec.removesuffix("PQ10") + codes
    stock = faiss.index_factory(items.shape[1], factory, kind)
    stock.train(items)
    stock.add(items)
    return stock


def faiss_checks(args: argparse.Namespace, metric: Metric) -> Iterator[dict[str, str]]:
    items, queries = items_and_queries(args.rows, args.queries, metric, args.seed)
    for spec in SPECS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            poeem.export(bundle_of(items, spec, metric, args.seed, folder / "b"), "faiss", folder / "items.faiss")
            both = {"ours": faiss.read_index(str(folder / "items.faiss")), "stock": stock_index(items, spec, metric)}
            checks: dict[str, Callable[..., None]] = {
                "check_ref_knn_with_draws": partial(with_reference, folder=folder)
            }
            if "IVF" in spec:
                checks["ivf_tools.search_preassigned"] = preassigned
                for method in ("index", "knn_function", "pairwise_distances"):
                    checks[f"big_batch_search, {method}"] = partial(big_batch, method=method)
                checks["ParameterSpace.explore"] = best_points
            for check, run in checks.items():
                verdicts = {side: verdict(partial(run, index, queries)) for side, index in both.items()}
                yield {"check": check, "spec": spec, "metric": metric, **verdicts}


def lance_checks(args: argparse.Namespace, metric: Metric) -> Iterator[dict[str, str]]:
    items, _ = items_and_queries(args.rows, args.queries, metric, args.seed)
    for spec in LANCE_SPECS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            bundle = bundle_of(items, spec, metric, args.seed, folder / "bundle")
            poeem.export(bundle, "lance", folder / "items.lance", vectors=items)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(items.ravel()), items.shape[1])
            stock = lance.write_dataset(pa.table({"id": np.arange(len(items)), "vector": vectors}), folder / "stock")
            stock.create_index(
                "vector",
                "IVF_PQ",
                metric={"ip": "dot"}.get(metric, metric),
                num_partitions=max(1, bundle.spec.nlist),
                num_sub_vectors=bundle.spec.M,
            )
            both = {"ours": lance.dataset(str(folder / "items.lance")), "stock": stock}
            verdicts = {
                side: verdict(partial(validate_vector_index, dataset, "vector", sample_size=args.sample))
                for side, dataset in both.items()
            }
            yield {"check": "lance.util.validate_vector_index", "spec": spec, "metric": metric, **verdicts}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--sample", type=int, default=2_000, help="vectors that Lance's check searches for")
    args = parse(parser)
    record = Record(args, {"data": "glove", "items": args.rows, "queries": args.queries, "nprobe": NPROBE})
    for metric in get_args(Metric):
        for checks in (faiss_checks, lance_checks):
            for row in checks(args, metric):
                print(*row.values(), sep=" | ", flush=True)
                record.add(", ".join(row[key] for key in ("check", "spec", "metric")), row)


if __name__ == "__main__":
    main()

"""Search through our opened index, compared with calling the engine directly: medians of alternated runs of calls.

The direct call does by hand what the engine's file does not contain: nothing for faiss; unit length, rotation and
padding with zeros for Lance; unit length and rotation for ScaNN. Both sides return the engine's own numpy arrays.

    python -m benchmarks.engines.search_overhead --json benchmarks/results/search_overhead-0.json
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import lance
import numpy as np
from scann.scann_ops.py.scann_ops_pybind import load_searcher

import poeem
from benchmarks.record import Record, parse, progress, script_parser
from benchmarks.vectors.glove import bundle_of, items_and_queries
from poeem.bundle import Bundle
from poeem.engines.faiss import open_engine
from poeem.engines.lance import open_lance
from poeem.engines.scann import open_scann

K, NPROBE, METRIC = 10, 16, "cosine"
CASES = [
    ("faiss", "OPQ10,IVF256,PQ10"),
    ("faiss", "OPQ10,PQ10"),
    ("faiss FastScan", "OPQ20,IVF256,PQ20x4"),
    ("Lance", "OPQ10,IVF256,PQ10"),
    ("ScaNN", "OPQ20,IVF256,PQ20x4"),
]
# Calls of either side for a median, by batch size.
CALLS = {1: 2_000, 256: 40}
CALLS_LANCE = {1: 500, 256: 12}

# Single queries to one side before the other side's turn.
IN_A_ROW = 20

Call = Callable[[np.ndarray], Any]


def both(engine: str, bundle: Bundle, items: np.ndarray, folder: Path) -> tuple[Call, Call]:
    """Two searches of an exported index: by our searcher, and directly by the engine."""
    path = folder / "items"
    rotation = bundle.arrays["rotation"]
    if engine.startswith("faiss"):
        poeem.export(bundle, "faiss", path, nprobe=NPROBE, fastscan=engine.endswith("FastScan"))
        ours, stock = open_engine(path), faiss.read_index(str(path))
        return lambda q: ours.search(q, K), lambda q: stock.search(q, K)
    if engine == "Lance":
        poeem.export(bundle, "lance", path, vectors=items, nprobe=NPROBE)
        searcher, dataset = open_lance(path), lance.dataset(str(path))
        width = dataset.schema.field("vector").type.list_size

        def in_lance(queries: np.ndarray) -> None:
            wide = np.zeros((len(queries), width), dtype=np.float32)
            wide[:, : queries.shape[1]] = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ rotation
            for query in wide:
                nearest = {"column": "vector", "q": query, "k": K, "nprobes": NPROBE}
                table = dataset.to_table(columns=["id", "_distance"], nearest=nearest)
                _ = table["_distance"].to_numpy(), table["id"].to_numpy()

        return lambda q: searcher.search(q, K), in_lance
    poeem.export(bundle, "scann", path, nprobe=NPROBE)
    mine, theirs = open_scann(path), load_searcher(str(path))

    def in_scann(queries: np.ndarray) -> Any:
        prepared = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ rotation
        if len(prepared) == 1:
            return theirs.search(prepared[0], K, leaves_to_search=NPROBE)
        return theirs.search_batched(prepared, K, leaves_to_search=NPROBE)

    return lambda q: mine.search(q, K), in_scann


def seconds(call: Call, queries: np.ndarray) -> float:
    started = time.perf_counter()
    call(queries)
    return time.perf_counter() - started


def alternated(sides: tuple[Call, Call], queries: np.ndarray, batch: int, calls: int) -> Iterator[tuple[float, float]]:
    """Seconds of both sides for the same queries, in runs of calls: one side, then the other; the first side changes.

    Single queries are not alternated one by one, because at every call the caches would hold the other side's index.
    Batches are long enough to be alternated.
    """
    in_a_row = IN_A_ROW if batch == 1 else 1
    for start in range(0, calls, in_a_row):
        numbers = range(start, min(calls, start + in_a_row))
        some = [np.ascontiguousarray(queries[np.arange(i * batch, (i + 1) * batch) % len(queries)]) for i in numbers]
        first = start // in_a_row % 2
        one, other = ([seconds(side, each) for each in some] for side in (sides[first], sides[1 - first]))
        yield from zip(other, one) if first else zip(one, other)


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    args = parse(parser)
    record = Record(args, {"data": "glove", "items": args.rows, "metric": METRIC, "k": K, "nprobe": NPROBE})
    items, queries = items_and_queries(args.rows, 2_000, METRIC, args.seed)
    for engine, spec in progress(CASES, "search overhead"):
        with tempfile.TemporaryDirectory() as folder:
            bundle = bundle_of(items, spec, METRIC, args.seed, Path(folder) / "bundle")
            sides = both(engine, bundle, items, Path(folder))
            for batch, calls in (CALLS_LANCE if engine == "Lance" else CALLS).items():
                list(alternated(sides, queries, batch, max(2, calls // 10)))
                ours, direct = np.median(list(alternated(sides, queries, batch, calls)), axis=0).tolist()
                times = {"ours_ms": 1000 * ours, "direct_ms": 1000 * direct, "ratio": ours / direct}
                record.add(f"{engine}, {spec}, {batch}", {"engine": engine, "spec": spec, "batch": batch, **times})
                print(engine, spec, batch, *times.values())


if __name__ == "__main__":
    main()

"""Search time in faiss of additive and product codes of 8 bytes, 500,000 vectors of 64 dimensions, with their recall.

The times are CPU seconds of one thread, medians of rounds in which the indexes take turns: other work on the machine
then changes them little. Recall is the share of the exact 10 nearest among the 10 and the 100 results.

    python -m benchmarks.speed.scan --seed 0 --json benchmarks/results/scan-0.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

import poeem
from benchmarks.record import Record, parse, picked, progress, script_parser
from benchmarks.vectors.clustered import DIM, clustered
from poeem.evaluation.recall import neighbour_share

# Name, structure and options of the export; {nlist} is of the command line.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("RQ8", "RQ8", {}),
    ("RQ8, residual quantizer", "RQ8", {"residual_quantizer": True}),
    ("OPQ8,PQ8", "OPQ8,PQ8", {}),
    ("RQ16x4", "RQ16x4", {}),
    ("OPQ16,PQ16x4", "OPQ16,PQ16x4", {}),
    ("IVF,RQ8", "IVF{nlist},RQ8", {}),
    ("IVF,RQ8, residual quantizer", "IVF{nlist},RQ8", {"residual_quantizer": True}),
    ("OPQ8,IVF,PQ8", "OPQ8,IVF{nlist},PQ8", {}),
    ("IVF,RQ16x4", "IVF{nlist},RQ16x4", {}),
    ("OPQ16,IVF,PQ16x4", "OPQ16,IVF{nlist},PQ16x4", {}),
]
K, NEAREST = 100, 10
SINGLE, BATCH = "single_ms", "batch_ms"


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--queries", type=int, default=256, help="for the recall; 64 of them are timed")
    parser.add_argument("--nlist", type=int, default=1024)
    parser.add_argument("--nprobe", type=int, default=16)
    parser.add_argument("--sample", type=int, default=20_000, help="rows that codebooks are fitted to")
    parser.add_argument("--rounds", type=int, default=7)
    args = parse(parser)
    record = Record(args, picked(args, "rows", "queries", "nlist", "nprobe", "sample", "rounds"))
    x = clustered(args.rows + args.queries, args.seed)
    items, queries = x[: args.rows], np.ascontiguousarray(x[args.rows :])
    exact = faiss.IndexFlatIP(DIM)
    exact.add(items)
    nearest = exact.search(queries, NEAREST)[1]
    indexes, rows = {}, {}
    encoded: dict[str, poeem.Bundle] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, structure, options in progress(CASES, "building"):
            spec, path = structure.format(nlist=args.nlist), Path(folder) / str(len(indexes))
            if spec not in encoded:
                index = poeem.EmbeddingIndex(DIM, spec, metric="ip", seed=args.seed)
                index.warm_start(torch.from_numpy(items[: args.sample]))
                encoded[spec] = index.eval().bundle(np.arange(args.rows), items, Path(folder) / f"bundle-{spec}")
            report = poeem.export(encoded[spec], "faiss", path, nprobe=args.nprobe, **options)
            indexes[name] = faiss.read_index(str(path))
            found = indexes[name].search(queries, K)[1]
            rows[name] = {
                "recall_10_at_10": float(neighbour_share(found[:, :NEAREST], nearest).mean()),
                "recall_10_at_100": float(neighbour_share(found, nearest).mean()),
                "bytes": encoded[spec].spec.bytes_per_vector,
                "score_error": report.worst_score_error,
            }
    times = measure(indexes, queries[:64], args.rounds)
    for name, row in rows.items():
        row |= times[name] | {
            f"{kind}_ratio": times[name][kind] / times["OPQ8,IVF,PQ8" if "IVF" in name else "OPQ8,PQ8"][kind]
            for kind in (SINGLE, BATCH)
        }
        record.add(name, row)
        print(f"{name:30} {row[SINGLE]:8.3f} ms single {row[BATCH]:8.3f} ms in a batch, {row['recall_10_at_10']:.3f}")


def measure(indexes: dict[str, Any], queries: np.ndarray, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of CPU a query, one by one and in one batch."""
    seconds: dict[str, dict[str, list[float]]] = {name: {SINGLE: [], BATCH: []} for name in indexes}
    for _ in progress(range(rounds), "searching"):
        for name, index in indexes.items():
            started = time.process_time()
            for row in range(0, len(queries), 4):
                index.search(queries[row : row + 1], K)
            middle = time.process_time()
            index.search(queries, K)
            seconds[name][SINGLE].append((middle - started) / len(range(0, len(queries), 4)))
            seconds[name][BATCH].append((time.process_time() - middle) / len(queries))
    return {
        name: {kind: 1000 * float(np.median(values)) for kind, values in kinds.items()}
        for name, kinds in seconds.items()
    }


if __name__ == "__main__":
    main()

"""The figures of `poeem plan`: time of a search by centroids and codes compared, of encoding by its matrix products,
bytes of a row in memory and on disk; and predictions for other sizes beside what was measured there.

python -m benchmarks.bulk.plan_figures --seed 0 --json benchmarks/results/plan_figures-0.json

Times are of the processor, on one thread: other work on the machine changes them little. Codes and centroids are
random, because faiss's time does not depend on their values.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from scipy.optimize import nnls

from benchmarks.record import Record, parse, picked, script_parser
from poeem.functional.encode import encode_rows
from poeem.functional.pq import assign_codes

DIM = 64
CODES = {"PQ8": (8, 8), "PQ16": (16, 8), "PQ16x4": (16, 4), "PQ32x4": (32, 4)}
QUERIES, PASSES = 40, 5
LISTS, PROBES = (1024, 8192), (1, 16, 64, 256)
# Bytes that a process takes for an index that it has read.
RESIDENT = """
import os, sys, faiss
page = os.sysconf("SC_PAGE_SIZE")
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * page
before = resident()
index = faiss.read_index(sys.argv[1])
print(resident() - before)
"""
ENCODED = 8192


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the index that is measured")
    parser.add_argument("--check-rows", type=int, default=10_000_000, help="of an index that is predicted")
    args = parse(parser)
    record = Record(args, picked(args, "rows", "check_rows") | {"dim": DIM})
    rng = np.random.default_rng(args.seed)
    for name, (M, nbits) in CODES.items():
        if name not in record.rows:
            record.add(name, search_figures(rng, args.rows, M, nbits))
            print(name, record.rows[name])
    if "centroids" not in record.rows:
        record.add("centroids", coarse_figures(rng))
        print("centroids", record.rows["centroids"])
    if "encode" not in record.rows:
        record.add("encode", encode_figures(args.seed))
        print("encode", record.rows["encode"])
    for name, rows, nlist, probes in (
        ("check, the same rows, PQ16", args.rows, 4096, (8, 32, 128)),
        ("check, more rows, PQ16", args.check_rows, 8192, (16, 64)),
    ):
        if name not in record.rows:
            index, facts = filled_index(rng, rows, nlist, *CODES["PQ16"])
            times = {str(nprobe): search_ms(index, rng, nprobe) for nprobe in probes}
            record.add(name, {**facts, "nlist": nlist, "ms": times})
            print(name, record.rows[name])


def search_figures(rng: np.random.Generator, rows: int, M: int, nbits: int) -> dict[str, Any]:
    """Microseconds per query and per list visited, nanoseconds per number of a centroid and per code.

    They are fitted, none below 0, to searches of long and short lists.
    """
    cases, facts = [], {}
    for nlist in LISTS:
        index, facts = filled_index(rng, rows, nlist, M, nbits)
        cases += [(nlist, nprobe, nprobe * rows / nlist, search_ms(index, rng, nprobe)) for nprobe in PROBES]
    centroids, lists, codes, ms = map(np.array, zip(*cases))
    # Relative errors count: the fit must hold at small nprobe too.
    design = np.stack([np.ones(len(ms)), centroids * DIM, lists, codes], axis=1) / ms[:, None]
    (fixed, per_value, per_list, per_code), _ = nnls(design, np.ones(len(ms)))
    fitted = (design @ [fixed, per_value, per_list, per_code]).tolist()
    return {
        **facts,
        "cases": [[int(nlist), int(nprobe), float(time)] for nlist, nprobe, _, time in cases],
        "fitted_of_measured": fitted,
        "us_per_query": 1e3 * float(fixed),
        "ns_per_centroid_value": 1e6 * float(per_value),
        "us_per_list": 1e3 * float(per_list),
        "ns_per_code": 1e6 * float(per_code),
    }


def filled_index(rng: np.random.Generator, rows: int, nlist: int, M: int, nbits: int) -> tuple[Any, dict[str, float]]:
    """An inverted-list index of random codes; its bytes per row in memory and in its file."""
    quantizer = faiss.IndexFlatIP(DIM)
    quantizer.add(rng.standard_normal((nlist, DIM)).astype(np.float32))
    index: Any = faiss.IndexIVFPQ(quantizer, DIM, nlist, M, nbits, faiss.METRIC_INNER_PRODUCT)
    books = rng.standard_normal((M, 2**nbits, DIM // M if DIM >= M else 1)).astype(np.float32)
    faiss.copy_array_to_vector(books.ravel(), index.pq.centroids)
    index.is_trained = True
    width = M * nbits // 8
    for first in range(0, rows, 2**20):
        ids = np.arange(first, min(first + 2**20, rows))
        lists = rng.integers(0, nlist, len(ids))
        number = lists.astype("<u2").view(np.uint8).reshape(len(ids), 2)[:, : -(-(nlist - 1).bit_length() // 8)]
        codes = np.concatenate([number, rng.integers(0, 256, (len(ids), width), dtype=np.uint8)], axis=1)
        index.add_sa_codes(np.ascontiguousarray(codes), ids)
    if nbits == 4:
        index = faiss.IndexIVFPQFastScan(index)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.faiss")
        faiss.write_index(index, str(file))
        # As a server has it, which reads the file: without the room that lists keep while they grow.
        out = subprocess.run([sys.executable, "-c", RESIDENT, str(file)], check=True, capture_output=True, text=True)
        facts = {"memory_bytes_per_row": int(out.stdout) / rows, "file_bytes_per_row": file.stat().st_size / rows}
    return index, facts


def search_ms(index: Any, rng: np.random.Generator, nprobe: int) -> float:
    """Median milliseconds of single queries."""
    index.nprobe = nprobe
    queries = rng.standard_normal((QUERIES, DIM)).astype(np.float32)
    return 1e3 * _seconds(lambda row: index.search(queries[row : row + 1], 100), QUERIES)


def coarse_figures(rng: np.random.Generator) -> dict[str, float]:
    """Nanoseconds per centroid and dimension of a flat search of centroids, and microseconds by an HNSW graph."""
    found = {}
    for nlist in (4096, 65536):
        centroids = rng.standard_normal((nlist, DIM)).astype(np.float32)
        flat = faiss.IndexFlatIP(DIM)
        flat.add(centroids)
        queries = rng.standard_normal((QUERIES, DIM)).astype(np.float32)
        seconds = _seconds(lambda row, flat=flat, queries=queries: flat.search(queries[row : row + 1], 64), QUERIES)
        found[f"flat_ns_per_value_{nlist}"] = 1e9 * seconds / nlist / DIM
        graph: Any = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = 40, 128
        graph.add(centroids)
        seconds = _seconds(lambda row, graph=graph, queries=queries: graph.search(queries[row : row + 1], 64), QUERIES)
        found[f"hnsw_us_{nlist}"] = 1e6 * seconds
    return found


def encode_figures(seed: int) -> dict[str, float]:
    """Nanoseconds of encoding per row: per multiplication with centroids and with codewords, and the rest."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(ENCODED, DIM, generator=generator)
    rotation = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator))[0]
    found = {}
    times = {}
    for nlist, M in ((1024, 8), (8192, 8), (1024, 16)):
        centroids = torch.randn(nlist, DIM, generator=generator)
        books = torch.randn(M, 256, DIM // M, generator=generator)

        def encode(row: int, centroids: torch.Tensor = centroids, books: torch.Tensor = books) -> None:
            encode_rows(
                x,
                lambda residuals, vectors: assign_codes(residuals, books),
                M=len(books),
                rotation=rotation,
                centroids=centroids,
            )

        times[nlist, M] = 1e9 * _seconds(encode, 5) / ENCODED
    per_value = (times[8192, 8] - times[1024, 8]) / (8192 - 1024) / DIM
    found["coarse_ns_per_value"] = per_value
    found["code_ns_per_row_M8"] = times[1024, 8] - 1024 * DIM * per_value
    found["code_ns_per_row_M16"] = times[1024, 16] - 1024 * DIM * per_value
    return found


def _seconds(run: Callable[[int], object], times: int) -> float:
    """Median time of the processor of one run; of each the shortest of some passes, as other work only adds time."""
    run(0)
    taken = np.full((PASSES, times), np.inf)
    for number in range(PASSES):
        # All runs in turn: a query must not find the codes of the last one in the cache.
        for row in range(times):
            began = time.process_time()
            run(row)
            taken[number, row] = time.process_time() - began
    return float(np.median(taken.min(0)))


if __name__ == "__main__":
    main()

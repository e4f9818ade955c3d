"""Time from a trained model to an engine's file of 1,000,000 items, compared with the engine's train and add.

Ours: encode and write the bundle; then export, which writes the engine's file, reads it back and checks it against the
reference. The engines: faiss trains rotation, lists and codebooks, and adds the vectors; Lance, which has no rotation,
writes the rows, trains lists and codebooks, and indexes. All use the same number of threads. The layer is warm-started
first, as by a training; a small bundle is exported first, so that no imports are timed.

    python -m benchmarks.engines.export_speed --threads 1 --json benchmarks/results/export_speed-0.json
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import torch

import poeem
from benchmarks.record import Record, parse, script_parser
from benchmarks.vectors.clustered import DIM, clustered

NLIST, M = 1024, 8
SPECS = {"faiss": f"OPQ{M},IVF{NLIST},PQ{M}", "lance": f"IVF{NLIST},PQ{M}"}
# Rows of the small bundle that is exported first.
FEW = 100


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def build_ours(engine: str, x: np.ndarray, seed: int, folder: Path) -> dict[str, float]:
    index = poeem.EmbeddingIndex(DIM, SPECS[engine], metric="cosine", seed=seed)
    index.warm_start(torch.from_numpy(x))
    index.eval()
    exported(index, x[:FEW], engine, folder / "few")
    return exported(index, x, engine, folder / "all")


def exported(index: poeem.EmbeddingIndex, x: np.ndarray, engine: str, place: Path) -> dict[str, float]:
    bundled, bundle = timed(lambda: index.bundle(np.arange(len(x)), x, place))
    options = {"vectors": x} if engine == "lance" else {}
    export, report = timed(lambda: poeem.export(bundle, engine, place.with_suffix(f".{engine}"), **options))
    print(report)
    return {"encode_and_bundle": bundled, "export": export, "error": report.worst_score_error}


def build_faiss(x: np.ndarray, folder: Path) -> dict[str, float]:
    stock = faiss.index_factory(DIM, SPECS["faiss"] + "np", faiss.METRIC_INNER_PRODUCT)
    return {"train": timed(lambda: stock.train(x))[0], "add": timed(lambda: stock.add(x))[0]}


def build_lance(x: np.ndarray, folder: Path) -> dict[str, float]:
    import lance

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), DIM)
    rows = pa.table({"id": np.arange(len(x)), "vector": vectors})
    written, dataset = timed(lambda: lance.write_dataset(rows, str(folder / "stock.lance")))
    options = {"metric": "cosine", "num_partitions": NLIST, "num_sub_vectors": M}
    return {"write": written, "train_and_index": timed(lambda: dataset.create_index("vector", "IVF_PQ", **options))[0]}


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engines", nargs="+", choices=list(SPECS), default=list(SPECS))
    args = parse(parser)
    record = Record(args, {"items": args.rows})
    # Lance's thread pool reads it when it starts; without it, Lance uses every core.
    os.environ["LANCE_CPU_THREADS"] = str(args.threads)
    for engine in args.engines:
        record.add(engine, compare(engine, args))


def compare(engine: str, args: argparse.Namespace) -> dict[str, Any]:
    x = clustered(args.rows, args.seed)
    with tempfile.TemporaryDirectory() as folder:
        ours = build_ours(engine, x, args.seed, Path(folder))
        error = ours.pop("error")
        theirs = (build_faiss if engine == "faiss" else build_lance)(x, Path(folder))
    ratio, total = sum(theirs.values()) / ours["export"], sum(theirs.values()) / sum(ours.values())
    print(engine, {**ours, **theirs}, f"export {ratio:.1f} x, encode and export {total:.1f} x")
    return {
        "spec": SPECS[engine],
        "our_seconds": ours,
        "engine_seconds": theirs,
        "export_ratio": ratio,
        "encode_and_export_ratio": total,
        "worst_score_error": error,
    }


if __name__ == "__main__":
    main()

"""Seconds from a trained model to an index that can be served, by number of items, at 8 bytes per vector.

Ours: encode, write the bundle, write the faiss file, read it back and check it against the reference; the codebooks
were trained with the model. Post-hoc: train the structure on the vectors, add them, write its file. The vectors are
those of `vectors.clustered`: 64 floats around 2,000 centres, of unit length. Number of lists: a power of two near the
square root of the number of items. A small index of each kind is made first, so that no imports are timed.

    python -m benchmarks.papers.indexing_time --json benchmarks/results/indexing_time-0.json
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

import poeem
from benchmarks.record import Record, parse, script_parser
from benchmarks.vectors.clustered import DIM, clustered
from poeem.baselines import build_baseline
from poeem.baselines.scann import ScannIndex

M = 8
# Name, structure of faiss's factory.
OURS = {
    "ours, PQ": f"OPQ{M},PQ{M}",
    "ours, RQ": f"RQ{M}",
    "ours, IVFPQ": f"OPQ{M},IVF{{nlist}},PQ{M}",
}
# Name, baseline, whether it has lists.
POST_HOC = {
    "PQ": ("pq", False),
    "OPQ": ("opq", False),
    "RQ": ("rq", False),
    "IVFPQ": ("pq", True),
    "IVFOPQ": ("opq", True),
    "ScaNN": ("scann", False),
}
WARM_UP, WARM_START = 1_000, 65_536  # rows


def lists_for(rows: int) -> int:
    """128 for 10,000 rows, 1,024 for 1,000,000."""
    return 2 ** round(math.log2(math.sqrt(rows)))


def ours(index: poeem.EmbeddingIndex, x: np.ndarray, folder: Path) -> dict[str, float]:
    started = time.perf_counter()
    bundle = index.bundle(np.arange(len(x)), x, folder / "bundle")
    encoded = time.perf_counter()
    poeem.export(bundle, "faiss", folder / "items.faiss")
    return {"build": encoded - started, "write": time.perf_counter() - encoded}


def post_hoc(key: str, nlist: int, x: np.ndarray, folder: Path, seed: int) -> dict[str, float]:
    built: Any = build_baseline(key, x, M=M, nbits=8, nlist=nlist, metric="cosine", seed=seed)
    started = time.perf_counter()
    if isinstance(built.index, ScannIndex):
        built.index.engine.serialize(str(folder))
    else:
        faiss.write_index(built.index, str(folder / "items.faiss"))
    return {"build": built.build_seconds, "write": time.perf_counter() - started}


def trained_layer(spec: str, x: np.ndarray, seed: int) -> poeem.EmbeddingIndex:
    """A ready layer, as after a training; only its speed matters here."""
    index = poeem.EmbeddingIndex(DIM, spec, metric="cosine", seed=seed)
    index.warm_start(torch.from_numpy(x[:WARM_START]))
    return index.eval()


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--methods", nargs="+", choices=(*OURS, *POST_HOC), default=[*OURS, *POST_HOC])
    args = parse(parser)
    record = Record(args, {"dim": DIM, "bytes": M, "threads": args.threads})
    x = clustered(max(args.rows), args.seed)
    for rows in args.rows:
        for name in args.methods:
            key = f"{name}, {rows:,} items"
            if key in record.rows:
                continue
            with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as folder:
                if name in OURS:
                    layer = trained_layer(OURS[name].format(nlist=lists_for(rows)), x[:rows], args.seed)
                    ours(layer, x[:100], Path(small))
                    found = ours(layer, x[:rows], Path(folder))
                else:
                    baseline, listed = POST_HOC[name]
                    post_hoc(baseline, 0, x[:WARM_UP], Path(small), args.seed)
                    found = post_hoc(baseline, lists_for(rows) if listed else 0, x[:rows], Path(folder), args.seed)
            record.add(key, {"name": name, "items": rows, **found})
            print(f"{key:30} build {found['build']:8.2f} s, write {found['write']:6.2f} s", flush=True)


if __name__ == "__main__":
    main()

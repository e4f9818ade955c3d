"""From a trained model to an index that can be served: seconds by the number of items, 8 bytes a vector.

Ours: encode, write the bundle, write the faiss file, read it back and check it against the reference; the layer has
learnt its words with the model. Built afterwards: train the structure on the vectors, add them, write its file. The
vectors are those of `clustered.py`: 64 floats around 2,000 centres, of unit length. Lists: a power of two near the
square root of the items. A small index of each kind is made first, so that no imports are timed.

    python benchmarks/indexing_time.py --json benchmarks/results/indexing_time-0.json
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
from clustered import DIM, clustered
from poeem.baselines import BASELINES
from poeem.baselines.scann import ScannIndex
from record import earlier, parser, settled, write

M = 8
# Name, structure of faiss's factory.
OURS = {
    "ours, PQ": f"OPQ{M},PQ{M}",
    "ours, RQ": f"RQ{M}",
    "ours, IVFPQ": f"OPQ{M},IVF{{nlist}},PQ{M}",
}
# Name, word of `BASELINES`, whether it gets lists.
AFTERWARDS = {
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
    began = time.perf_counter()
    bundle = index.bundle(np.arange(len(x)), x, folder / "bundle")
    encoded = time.perf_counter()
    poeem.export(bundle, "faiss", folder / "items.faiss")
    return {"build": encoded - began, "write": time.perf_counter() - encoded}


def afterwards(word: str, nlist: int, x: np.ndarray, folder: Path, seed: int) -> dict[str, float]:
    built: Any = BASELINES[word](x, M=M, nbits=8, nlist=nlist, metric="cosine", seed=seed)
    began = time.perf_counter()
    if isinstance(built.index, ScannIndex):
        built.index.engine.serialize(str(folder))
    else:
        faiss.write_index(built.index, str(folder / "items.faiss"))
    return {"build": built.build_seconds, "write": time.perf_counter() - began}


def trained(spec: str, x: np.ndarray, seed: int) -> poeem.EmbeddingIndex:
    """A layer as a training leaves it: ready; only its speed matters here."""
    index = poeem.EmbeddingIndex(DIM, spec, metric="cosine", seed=seed)
    index.warm_start(torch.from_numpy(x[:WARM_START]))
    return index.eval()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    arguments.add_argument("--methods", nargs="+", choices=(*OURS, *AFTERWARDS), default=[*OURS, *AFTERWARDS])
    args = settled(arguments.parse_args())
    settings = {"dim": DIM, "bytes": M, "threads": args.threads}
    seconds: dict[str, dict[str, dict[str, float]]] = earlier(args, settings).get("seconds", {})
    x = clustered(max(args.rows), args.seed)
    for rows in args.rows:
        found = seconds.setdefault(str(rows), {})
        for name in args.methods:
            if name in found:
                continue
            with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as folder:
                if name in OURS:
                    layer = trained(OURS[name].format(nlist=lists_for(rows)), x[:rows], args.seed)
                    ours(layer, x[:100], Path(small))
                    found[name] = ours(layer, x[:rows], Path(folder))
                else:
                    word, listed = AFTERWARDS[name]
                    afterwards(word, 0, x[:WARM_UP], Path(small), args.seed)
                    found[name] = afterwards(word, lists_for(rows) if listed else 0, x[:rows], Path(folder), args.seed)
            one = found[name]
            print(f"{rows:9,} items  {name:12} build {one['build']:8.2f} s, write {one['write']:6.2f} s", flush=True)
            write(args, {"settings": settings, "seconds": seconds})


if __name__ == "__main__":
    main()

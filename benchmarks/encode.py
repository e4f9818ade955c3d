"""Encoding speed: rows/s of the layer against faiss's `sa_encode` of the very same index, alternated in one run.

python benchmarks/encode.py --threads 1 --json benchmarks/results/encode.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import torch

import poeem
from poeem.functional.packing import pack_codes
from record import arguments, write

CASES = [(64, "OPQ8,PQ8"), (384, "OPQ16,PQ16")]
ROWS, ROUNDS = 50_000, 9


def main() -> None:
    args = arguments(__doc__)
    generator = torch.Generator().manual_seed(args.seed)
    rows = {}
    for dim, spec in CASES:
        x = torch.randn(ROWS, dim, generator=generator)
        index = poeem.EmbeddingIndex(dim, spec, metric="ip", seed=args.seed)
        index.warm_start(x[:10_000])
        index.eval()
        with tempfile.TemporaryDirectory() as folder:
            bundle = index.bundle(np.arange(1000), x[:1000], Path(folder) / "bundle")
            poeem.export(bundle, "faiss", Path(folder) / "items.faiss")
            stock = faiss.read_index(str(Path(folder) / "items.faiss"))
        # An id map has no codec: the same rotation in front of the product quantizer that it wraps.
        product = faiss.downcast_index(faiss.downcast_index(stock.index).index)
        stock_codec = faiss.IndexPreTransform(stock.chain.at(0), product)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            codes, _ = index.encode(x)
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            stock_codes = stock_codec.sa_encode(x.numpy())
            theirs.append(time.perf_counter() - started)
        same = float((pack_codes(codes.numpy().astype(np.uint8), 8) == stock_codes).mean())
        ratio = float(np.median(theirs) / np.median(ours))
        rows[f"dim {dim}, {spec}"] = {
            "rows_per_second": ROWS / float(np.median(ours)),
            "faiss_rows_per_second": ROWS / float(np.median(theirs)),
            "ratio": ratio,
            "equal_codes": same,
        }
        print(f"dim {dim:3} {spec:10}  {ratio:.2f} x faiss's rows/s, {same:.4%} equal codes")
    write(args, {"rows": rows})


if __name__ == "__main__":
    main()

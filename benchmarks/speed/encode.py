"""Encoding speed: rows/s of the layer and of faiss's `sa_encode` on the same index, alternated in one run.

python -m benchmarks.speed.encode --seed 0 --json benchmarks/results/encode-0.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import torch

import poeem
from benchmarks.record import Record, parse, script_parser
from poeem.functional.packing import pack_codes

CASES = [(64, "OPQ8,PQ8"), (384, "OPQ16,PQ16")]
ROUNDS = 9


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    args = parse(parser)
    record = Record(args, {"rows": args.rows})
    generator = torch.Generator().manual_seed(args.seed)
    for dim, spec in CASES:
        x = torch.randn(args.rows, dim, generator=generator)
        index = poeem.EmbeddingIndex(dim, spec, metric="ip", seed=args.seed)
        index.warm_start(x[:10_000])
        index.eval()
        with tempfile.TemporaryDirectory() as folder:
            bundle = index.bundle(np.arange(1000), x[:1000], Path(folder) / "bundle")
            poeem.export(bundle, "faiss", Path(folder) / "items.faiss")
            stock = faiss.read_index(str(Path(folder) / "items.faiss"))
        # An id map has no codec: put the same rotation before the product quantizer that it wraps.
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
        row = {
            "rows_per_second": args.rows / float(np.median(ours)),
            "faiss_rows_per_second": args.rows / float(np.median(theirs)),
            "ratio": ratio,
            "equal_codes": same,
        }
        record.add(f"dim {dim}, {spec}", row)
        print(f"dim {dim:3} {spec:10}  {ratio:.2f} x faiss's rows/s, {same:.4%} equal codes")


if __name__ == "__main__":
    main()

"""From a trained model to a faiss file of 1,000,000 items, against faiss training and filling the same structure.

Ours: encode, write the bundle, write the faiss file, read it back and check it against the reference. faiss: train the
rotation, lists and codebooks, add. The layer is warm-started beforehand, as it would be by training; a small bundle
is written first, so that no imports are timed.

    python benchmarks/write_faiss.py --threads 1 --json benchmarks/results/write_faiss.json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import torch

import poeem
from record import parser, settled, write

DIM, SPEC, STOCK = 64, "OPQ8,IVF1024,PQ8", "OPQ8,IVF1024,PQ8np"


def clustered(rows: int, seed: int) -> np.ndarray:
    """Unit vectors around 2,000 centres, correlated: neither uniform noise nor trivially separable."""
    rng = np.random.default_rng(seed)
    decay = np.exp(-np.arange(DIM, dtype=np.float32)[:, None] / 20)
    mixing = rng.standard_normal((DIM, DIM), dtype=np.float32) * decay
    x = rng.standard_normal((2000, DIM), dtype=np.float32)[rng.integers(0, 2000, rows)]
    x = (x + 0.7 * rng.standard_normal((rows, DIM), dtype=np.float32)) @ mixing
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    args = settled(arguments.parse_args())
    x = clustered(args.rows, args.seed)
    index = poeem.EmbeddingIndex(DIM, SPEC, metric="cosine", seed=args.seed)
    index.warm_start(torch.from_numpy(x))
    index.eval()
    with tempfile.TemporaryDirectory() as folder:
        small = index.bundle(np.arange(100), x[:100], Path(folder) / "small")
        poeem.export(small, "faiss", Path(folder) / "small.faiss")
        started = time.perf_counter()
        bundle = index.bundle(np.arange(args.rows), x, Path(folder) / "bundle")
        bundled = time.perf_counter()
        report = poeem.export(bundle, "faiss", Path(folder) / "items.faiss")
        done = time.perf_counter()
    print(report)
    stock = faiss.index_factory(DIM, STOCK, faiss.METRIC_INNER_PRODUCT)
    began = time.perf_counter()
    stock.train(x)
    trained = time.perf_counter()
    stock.add(x)
    added = time.perf_counter()
    ratio = (added - began) / (done - started)
    print(
        f"ours {done - started:.1f} s (encode, bundle {bundled - started:.1f}, file, self-check {done - bundled:.1f})"
    )
    print(f"faiss {added - began:.1f} s (train {trained - began:.1f}, add {added - trained:.1f}): {ratio:.1f} x ours")
    write(
        args,
        {
            "rows": args.rows,
            "ours_seconds": {"encode_and_bundle": bundled - started, "file_and_self_check": done - bundled},
            "faiss_seconds": {"train": trained - began, "add": added - trained},
            "ratio": ratio,
            "worst_score_error": report.worst_score_error,
        },
    )


if __name__ == "__main__":
    main()

"""Untrained codes of few bytes beside ours: additive ones, scalars of few bits behind a projection, RaBitQ.

Data: the first rows of GloVe as items, later rows as queries, all of unit length. Measured is the share of the ten best
items by exact inner product among the first 10 and 100 of each index. The forms of scalar codes are ours, after the
papers; each has the best of its numbers of dimensions and bits, chosen on the test queries, which favours it.

* scalars: principal axes, as many as bytes and bits allow, with a codebook of 2, 4 or 16 values on each (ASH:
  arXiv 2606.07870), with or without a random rotation of these axes.
* uneven scalars: bits by axis, most where the variance is (SAQ: arXiv 2509.12086).
* RaBitQ: principal axes, then faiss's RaBitQ of 1, 2 or 4 bits; it stores numbers beside the bits.
* LSQ, PRQ: faiss's local search quantizer and product-residual quantizer (two halves).

    python -m benchmarks.frozen.challengers --json benchmarks/results/challengers-0.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

import poeem
from benchmarks.record import Record, parse, picked, script_parser
from poeem.baselines import build_baseline
from poeem.data.datasets import load_embedded

# Mean squared error of the best quantizer of b bits, for a normal variable of variance 1 (Max, 1960).
NORMAL_ERROR = (1.0, 0.3634, 0.1175, 0.03454, 0.009497, 0.002499, 0.00064, 0.00016, 0.00004)
SCALAR_BITS = (1, 2, 4)
SAMPLE = 10_000
# More are left out for codes that take long to make.
MOST_BYTES = 8


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--bytes", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--methods", nargs="+", help="default: all")
    args = parse(parser)
    record = Record(args, picked(args, "rows", "queries") | {"dataset": "glove"})
    vectors = load_embedded("glove").items[: args.rows + args.queries + SAMPLE].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items, queries, training = np.split(vectors, [args.rows, args.rows + args.queries])
    _, exact = faiss.knn(queries, items, 10, metric=faiss.METRIC_INNER_PRODUCT)

    for size in args.bytes:
        for name, build in methods(items, training, size, args.seed).items():
            if (row := f"{name}, {size}") in record.rows or name not in (args.methods or [name]):
                continue
            started = time.perf_counter()
            variants = build()
            seconds = (time.perf_counter() - started) / max(1, len(variants))
            figures = {variant: recall(found(queries), exact) for variant, found in variants.items()}
            best = max(figures, key=lambda variant: figures[variant]["recall 10@10"], default=None)
            if best is not None:
                record.add(row, figures[best] | {"variant": best, "build_seconds": seconds})
                print(row, record.rows[row])


Search = Callable[[np.ndarray], np.ndarray]


def methods(
    items: np.ndarray, training: np.ndarray, size: int, seed: int
) -> dict[str, Callable[[], dict[str, Search]]]:
    """Functions that build the indexes of ``size`` bytes, by name; each returns searches by name of the variant."""

    def faiss_built(name: str, nbits: int = 8) -> dict[str, Search]:
        index: Any = build_baseline(name, items, M=8 * size // nbits, nbits=nbits, metric="ip", seed=seed).index
        return {name: lambda q: index.search(q, 100)[1]}

    def fitted(nbits: int = 8) -> dict[str, Search]:
        spec = f"RQ{8 * size // nbits}x{nbits}"
        index = poeem.fit(items, training, spec=spec, metric="ip", seed=seed, show=False)
        decoded = np.asarray(index.decode(*index.encode(items)))
        adapter = index.query_adapter
        matrix = np.eye(items.shape[1], dtype=np.float32) if adapter is None else adapter.numpy()
        return {spec: lambda q: decoded_search(decoded)(q @ matrix)}

    found = {
        "ours, RQ": fitted,
        "RQ": lambda: faiss_built("rq"),
        "OPQ": lambda: faiss_built("opq") if items.shape[1] % size == 0 else {},
        "PRQ": lambda: quantized(items, faiss.ProductResidualQuantizer(items.shape[1], 2, size // 2, 8)),
        "scalars": lambda: scalars(items, size, seed),
        "uneven scalars": lambda: uneven_scalars(items, size),
        "RaBitQ": lambda: rabitq(items, size),
    }
    if size <= MOST_BYTES // 2:
        found["LSQ"] = lambda: quantized(items, faiss.LocalSearchQuantizer(items.shape[1], size, 8))
    if size <= MOST_BYTES:
        found["ours, RQ of 4 bits"] = lambda: fitted(4)
        found["RQ of 4 bits"] = lambda: faiss_built("rq", 4)
    return found


def quantized(items: np.ndarray, quantizer: Any) -> dict[str, Search]:
    """An additive quantizer of faiss."""
    quantizer.train(items[:SAMPLE])
    return {type(quantizer).__name__: decoded_search(quantizer.decode(quantizer.compute_codes(items)))}


def scalars(items: np.ndarray, size: int, seed: int) -> dict[str, Search]:
    """Few bits on each of the leading axes, for every number of bits."""
    axes, found = principal_axes(items), {}
    for bits in SCALAR_BITS:
        kept = min(8 * size // bits, items.shape[1])
        turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((kept, kept)))
        for name, basis in (("axes", axes[:, :kept]), ("rotated", (axes[:, :kept] @ turn).astype(np.float32))):
            decoded = per_column(items @ basis, [bits] * kept) @ basis.T
            found[f"{kept} {name}, {bits} bits"] = decoded_search(decoded)
    return found


def uneven_scalars(items: np.ndarray, size: int) -> dict[str, Search]:
    """Bits one after the other to the axis with the largest error, at most 8 each."""
    axes = principal_axes(items)
    values = items @ axes
    variance, bits = values.var(0), np.zeros(items.shape[1], int)
    for _ in range(8 * size):
        gain = variance * np.take(-np.diff([*NORMAL_ERROR, NORMAL_ERROR[-1]]), bits)
        bits[gain.argmax()] += 1
    return {f"{np.count_nonzero(bits)} axes": decoded_search(per_column(values, bits.tolist()) @ axes.T)}


def rabitq(items: np.ndarray, size: int) -> dict[str, Search]:
    """RaBitQ of leading axes, as many as the bytes allow, for every number of bits."""
    axes, found = principal_axes(items), {}
    for bits in SCALAR_BITS:
        fitting = [
            kept
            for kept in range(8, items.shape[1] + 1, 4)
            if faiss.IndexRaBitQ(kept, faiss.METRIC_INNER_PRODUCT, bits).code_size <= size
        ]
        if not fitting:
            continue
        basis = np.ascontiguousarray(axes[:, : fitting[-1]])
        rotation = faiss.RandomRotationMatrix(fitting[-1], fitting[-1])
        rotation.init(0)
        index = faiss.IndexRaBitQ(fitting[-1], faiss.METRIC_INNER_PRODUCT, bits)
        inside = rotation.apply(items @ basis)
        index.train(inside)
        index.add(inside)
        found[f"{fitting[-1]} axes, {bits} bits"] = lambda q, index=index, basis=basis, rotation=rotation: index.search(
            rotation.apply(np.ascontiguousarray(q @ basis)), 100
        )[1]
    return found


def principal_axes(items: np.ndarray) -> np.ndarray:
    """Axes of ``XᵀX`` in columns, the one with the most energy first: float32 ``(dim, dim)``."""
    _, axes = np.linalg.eigh((items.T @ items).astype(np.float64))
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)


def per_column(values: np.ndarray, bits: list[int]) -> np.ndarray:
    """Replace the values of every column by the nearest of ``2**bits`` codewords of its own (k-means); 0 bits: mean."""
    decoded = np.empty_like(values)
    for column, count in enumerate(bits):
        data = np.ascontiguousarray(values[:, column : column + 1])
        if count == 0:
            decoded[:, column] = data.mean()
            continue
        kmeans = faiss.Kmeans(1, 2**count, niter=15, seed=0, max_points_per_centroid=SAMPLE // 2**count + 1)
        kmeans.train(data[:SAMPLE])
        decoded[:, column] = kmeans.centroids[kmeans.index.search(data, 1)[1][:, 0], 0]
    return decoded


def decoded_search(decoded: np.ndarray) -> Search:
    """Search of decoded items by inner product, the first 100."""
    decoded = np.ascontiguousarray(decoded, dtype=np.float32)
    return lambda queries: faiss.knn(np.ascontiguousarray(queries), decoded, 100, metric=faiss.METRIC_INNER_PRODUCT)[1]


def recall(found: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Share of the exact neighbours ``(nq, 10)`` among the first 10 and 100 found."""
    hits = (found[:, :, None] == exact[:, None]).any(2)
    return {f"recall 10@{depth}": float(hits[:, :depth].sum(1).mean() / exact.shape[1]) for depth in (10, 100)}


if __name__ == "__main__":
    main()

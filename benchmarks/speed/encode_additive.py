"""Encoding speed of additive codes by a beam of 8: CPU seconds of our encoder and of faiss's on one thread.

python -m benchmarks.speed.encode_additive --seed 0 --json benchmarks/results/encode_additive-0.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks.record import Record, parse, picked, script_parser
from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.additive_faiss import suits_faiss
from poeem.functional.additive_fit import fit_additive
from poeem.functional.packing import unpack_codes

CASES = [(64, 8, 8), (64, 4, 8), (64, 16, 4), (384, 8, 8)]  # dim, M, nbits
BEAM, ROUNDS = 8, 5


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--sample", type=int, default=8000)
    args = parse(parser)
    record = Record(args, picked(args, "rows", "sample"))
    generator = torch.Generator().manual_seed(args.seed)
    for dim, M, nbits in CASES:
        centres = torch.randn(300, dim, generator=generator)
        x = centres[torch.randint(300, (args.rows + args.sample,), generator=generator)]
        x = x + 0.7 * torch.randn(x.shape, generator=generator)
        books = fit_additive(x[args.rows :], M, 2**nbits, iterations=3, rounds=1, generator=generator)
        row = compare(x[: args.rows].contiguous(), books, nbits)
        record.add(f"dim {dim}, RQ{M}x{nbits}", row)
        print(
            f"dim {dim:3} RQ{M}x{nbits}  {row['ratio']:.2f} x faiss, {row['tables_ratio']:.2f} x with its tables, "
            f"{row['equal_codes']:.4%} equal codes, {row['worse']:.4%} worse"
        )


def compare(x: torch.Tensor, books: torch.Tensor, nbits: int) -> dict[str, Any]:
    """Rows per CPU second, in rounds that take turns, and how far the codes differ from faiss's."""
    M, _, dim = books.shape
    stock = quantizer(dim, M, nbits, books)
    tables = quantizer(dim, M, nbits, books)
    tables.use_beam_LUT = 1
    tables.compute_codebook_tables()
    encoders: dict[str, Callable[[], Any]] = {
        "ours": lambda: encode_additive(x, books, BEAM),
        "faiss": lambda: stock.compute_codes(x.numpy()),
        "tables": lambda: tables.compute_codes(x.numpy()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    found = {}
    for _ in range(ROUNDS):
        for name, encode in encoders.items():
            started = time.process_time()
            found[name] = encode()
            seconds[name].append(time.process_time() - started)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    theirs = torch.from_numpy(unpack_codes(found["faiss"], M, nbits).astype(np.int64))
    mine, error = found["ours"], {}
    for name, codes in (("ours", mine), ("faiss", theirs)):
        error[name] = (x - decode_additive(codes, books)).double().square().sum(1)
    return {
        "rows_per_second": len(x) / median["ours"],
        "faiss_rows_per_second": len(x) / median["faiss"],
        "ratio": median["faiss"] / median["ours"],
        "tables_ratio": median["tables"] / median["ours"],
        "equal_codes": float((mine == theirs).double().mean()),
        "worse": float((error["ours"] > (1 + 1e-4) * error["faiss"]).double().mean()),
        "by_faiss": suits_faiss(x, books, BEAM),
    }


def quantizer(dim: int, M: int, nbits: int, books: torch.Tensor) -> Any:
    """faiss's residual quantizer with given codebooks."""
    made = faiss.ResidualQuantizer(dim, M, nbits)
    faiss.copy_array_to_vector(books.numpy().ravel(), made.codebooks)
    made.is_trained, made.max_beam_size = True, BEAM
    return made


if __name__ == "__main__":
    main()

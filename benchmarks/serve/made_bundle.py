"""A bundle of random codes: the time of a search does not depend on their values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from poeem.bundle import write_bundle
from poeem.spec import IndexSpec


def write_made_bundle(folder: Path, rows: int, *, spec: str, dim: int, first: int = 0, strings: bool = False) -> Path:
    """Write a bundle.

    Args:
        folder: of the run; the bundle is its part ``bundle``.
        rows: number of items.
        spec: structure.
        dim: width.
        first: number of the first item.
        strings: ids ``i<number>`` in place of numbers.
    """
    rng, parsed = np.random.default_rng(0), IndexSpec.parse(spec)
    width = parsed.dsub(dim)
    arrays = {"codebooks": (rng.standard_normal((parsed.M, parsed.ksub, width)) / dim**0.5).astype(np.float32)}
    if parsed.nlist:
        coarse = rng.standard_normal((parsed.nlist, dim))
        arrays["coarse"] = (coarse / np.linalg.norm(coarse, axis=1, keepdims=True)).astype(np.float32)
    if parsed.rotated:
        arrays["rotation"] = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
    numbers = np.arange(first, first + rows)
    write_bundle(
        folder / "bundle",
        spec=parsed,
        metric="ip",
        dim=dim,
        arrays=arrays,
        ids=[f"i{number}" for number in numbers] if strings else numbers,
        codes=rng.integers(0, parsed.ksub, (rows, parsed.M), dtype=np.uint8),
        lists=rng.integers(0, parsed.nlist, rows, dtype=np.int32) if parsed.nlist else None,
        columns=pa.table({"price": numbers % 100}),
        training={"nprobe": max(1, parsed.nlist // 64)},
    )
    return folder

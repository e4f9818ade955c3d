"""Sign bits: one bit a dimension, the query left in float."""

from __future__ import annotations

import time

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.evaluation.scorers import DecodedScorer, prepared


def build(
    items: np.ndarray,
    *,
    M: int = 0,
    nbits: int = 8,
    nlist: int = 0,
    nprobe: int | None = None,
    metric: str = "cosine",
    seed: int = 0,
) -> Baseline:
    """Score ``<q, sign(x)>``, ``dim / 8`` bytes per vector, whatever ``M`` and ``nbits`` ask.

    What text embedding libraries call binary quantization with a float query. Signs keep no lengths: under ``l2`` and
    ``ip`` as well items are ranked by direction. There are no lists: every item is compared.

    Args:
        items: float, ``(n, dim)``.
        M, nbits, nlist, nprobe, seed: taken and left alone, as every baseline is called with them.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
    Raises:
        ValueError: vectors that are not finite.
    Source:
        Yamada, Asai, Hajishirzi, "Efficient passage retrieval with hashing for open-domain question answering", 2021
        (binary passages; there the float query re-ranks).
    """
    vectors = prepared(items, metric, "items")
    start = time.perf_counter()
    codes = np.packbits(vectors > 0, axis=1)
    seconds = time.perf_counter() - start
    # Unpacked once, as float32, to score by a matrix product; an engine would add and subtract by the bits.
    signs = np.unpackbits(codes, axis=1, count=vectors.shape[1]).astype(np.float32) * 2 - 1
    scorer = DecodedScorer(signs, "cosine" if metric == "cosine" else "ip")
    return Baseline("binary", "signs", scorer, bytes_per_vector=codes.shape[1], build_seconds=seconds)

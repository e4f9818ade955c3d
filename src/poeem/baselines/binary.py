"""Sign bits: one bit per dimension, compared with the float query."""

from __future__ import annotations

import time

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.evaluation.scorers import DecodedScorer, prepared


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build an index of sign bits: the score is ``<q, sign(x)>``, with ``dim / 8`` bytes per vector.

    Text embedding libraries call this binary quantization with a float query. Signs keep no lengths: items are ranked
    by direction under ``l2`` and ``ip`` too. There are no lists; every item is compared.

    Args:
        items: float, ``(n, dim)``.
        options: only the metric is used.
    Returns:
        the baseline.
    Raises:
        ValueError: a vector is not finite.
    Source:
        Yamada, Asai, Hajishirzi, "Efficient passage retrieval with hashing for open-domain question answering", 2021
        (binary passages; there the float query re-ranks).
    """
    vectors = prepared(items, options.metric, "items")
    start = time.perf_counter()
    codes = np.packbits(vectors > 0, axis=1)
    seconds = time.perf_counter() - start
    # Unpacked once, as float32, to score by a matrix product; an engine would add and subtract by bits.
    signs = np.unpackbits(codes, axis=1, count=vectors.shape[1]).astype(np.float32) * 2 - 1
    scorer = DecodedScorer(signs, "cosine" if options.metric == "cosine" else "ip")
    return Baseline("binary", "signs", scorer, bytes_per_vector=codes.shape[1], build_seconds=seconds)

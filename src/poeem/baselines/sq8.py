"""int8: every dimension rounded to one of 256 steps between its least and its greatest value."""

from __future__ import annotations

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.baselines.faiss_build import build_with_faiss, structure_of


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
    """``SQ8``, or ``IVF{nlist},SQ8`` with lists: ``dim`` bytes per vector, whatever ``M`` and ``nbits`` ask.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: taken and left alone, as every baseline is called with them.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of the lists' k-means.
    Raises:
        ValueError: fewer items than lists, or vectors that are not finite.
    """
    return build_with_faiss(
        "sq8",
        structure_of("SQ8", nlist),
        items,
        M=M,
        nbits=nbits,
        nlist=nlist,
        nprobe=nprobe,
        metric=metric,
        seed=seed,
        trains=False,
        bytes_per_vector=items.shape[1],
    )

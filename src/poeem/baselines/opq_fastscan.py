"""Post-hoc OPQ with words of 4 bits in the layout that faiss scans by SIMD: the fast baseline."""

from __future__ import annotations

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.baselines.faiss_build import build_with_faiss, check_subspaces, structure_of


def build(
    items: np.ndarray,
    *,
    M: int,
    nbits: int = 8,
    nlist: int = 0,
    nprobe: int | None = None,
    metric: str = "cosine",
    seed: int = 0,
) -> Baseline:
    """``OPQ{m},PQ{m}x4fs``, or ``OPQ{m},IVF{nlist},PQ{m}x4fsr`` with lists (residuals), of two words a byte.

    Scores are those of the codes; faiss itself rounds its look-up tables to 8 bits.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: give the bytes, ``M * nbits / 8``.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
    Raises:
        ValueError: dim is not a multiple of twice the bytes, fewer items than centroids, or vectors that are not
            finite.
    Source:
        André, Kermarrec, Le Scouarnec, "Quicker ADC", 2019.
    """
    words = 2 * -(-M * nbits // 8)
    check_subspaces("opq-fastscan", items.shape[1], words)
    structure = structure_of(f"PQ{words}x4{'fsr' if nlist else 'fs'}", nlist, rotation=f"OPQ{words}")
    return build_with_faiss(
        "opq-fastscan", structure, items, M=words, nbits=4, nlist=nlist, nprobe=nprobe, metric=metric, seed=seed
    )

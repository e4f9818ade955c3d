"""Post-hoc PQ: faiss's product quantizer on finished vectors."""

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
    """``PQ{M}x{nbits}np``, or ``IVF{nlist},PQ{M}x{nbits}np`` with lists.

    ``np``: without polysemous training, which takes ten times longer and changes no score.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: `M * nbits / 8` bytes per vector.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
    Raises:
        ValueError: dim is not a multiple of ``M``, fewer items than centroids, or vectors that are not finite.
    Source:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011.
    """
    check_subspaces("pq", items.shape[1], M)
    structure = structure_of(f"PQ{M}x{nbits}np", nlist)
    return build_with_faiss(
        "pq", structure, items, M=M, nbits=nbits, nlist=nlist, nprobe=nprobe, metric=metric, seed=seed
    )

"""Post-hoc OPQ: faiss's product quantizer behind a rotation fitted to finished vectors."""

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
    """``OPQ{M},PQ{M}x{nbits}np``, or ``OPQ{M},IVF{nlist},PQ{M}x{nbits}np`` with lists.

    The rotation is fitted by faiss's alternation for words of ``nbits``.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: `M * nbits / 8` bytes per vector.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
    Raises:
        ValueError: dim is not a multiple of ``M``, fewer items than centroids, or vectors that are not finite.
    Source:
        Ge, He, Ke, Sun, "Optimized product quantization", 2013.
    """
    check_subspaces("opq", items.shape[1], M)
    structure = structure_of(f"PQ{M}x{nbits}np", nlist, rotation=f"OPQ{M}")
    return build_with_faiss(
        "opq", structure, items, M=M, nbits=nbits, nlist=nlist, nprobe=nprobe, metric=metric, seed=seed
    )

"""Post-hoc RQ: faiss's residual (additive) quantizer on finished vectors, the strongest simple baseline."""

from __future__ import annotations

import numpy as np

from poeem.evaluation.baselines.baseline import Baseline
from poeem.evaluation.baselines.faiss_build import build_with_faiss, structure_of


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
    """``RQ{M}x{nbits}``, or ``IVF{nlist},RQ{M}x{nbits}`` with lists.

    Beam of faiss's default (5); no norms are stored, as faiss decodes to score.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: `M * nbits / 8` bytes per vector.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
    Raises:
        ValueError: fewer items than centroids, or vectors that are not finite.
    Source:
        Chen, Guan, Wang, "Approximate nearest neighbor search by residual vector quantization", 2010.
    """
    structure = structure_of(f"RQ{M}x{nbits}", nlist)
    return build_with_faiss(
        "rq", structure, items, M=M, nbits=nbits, nlist=nlist, nprobe=nprobe, metric=metric, seed=seed
    )

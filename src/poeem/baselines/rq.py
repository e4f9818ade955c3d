"""Post-hoc RQ: faiss's residual (additive) quantizer on finished vectors, the strongest simple baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.baselines.faiss_build import build_with_faiss, structure_of

# Of the refined one; ours is as wide.
REFINED_BEAM = 8


def build(
    items: np.ndarray,
    *,
    M: int,
    nbits: int = 8,
    nlist: int = 0,
    nprobe: int | None = None,
    metric: str = "cosine",
    seed: int = 0,
    refined: bool = False,
) -> Baseline:
    """``RQ{M}x{nbits}``, or ``IVF{nlist},RQ{M}x{nbits}`` with lists.

    Beam of faiss's default (5); no norms are stored, as faiss decodes to score. Refined (``rq-refined``), the beam is
    8, and all words at once are fitted to the codes and the items encoded again, five times
    (``Train_refine_codebook``). No factory string asks for that, so that few indexes in service have it.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: `M * nbits / 8` bytes per vector.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
        refined: whether it is trained better than by default.
    Raises:
        ValueError: fewer items than centroids, or vectors that are not finite.
    Source:
        Chen, Guan, Wang, "Approximate nearest neighbor search by residual vector quantization", 2010; Babenko and
        Lempitsky, "Additive quantization for extreme vector compression", 2014, section 3.2 (refined).
    """
    return build_with_faiss(
        "rq-refined" if refined else "rq",
        structure_of(f"RQ{M}x{nbits}", nlist),
        items,
        M=M,
        nbits=nbits,
        nlist=nlist,
        nprobe=nprobe,
        metric=metric,
        seed=seed,
        prepare=_refine if refined else None,
    )


def _refine(index: Any) -> None:
    import faiss

    index.rq.max_beam_size = REFINED_BEAM
    index.rq.train_type |= faiss.ResidualQuantizer.Train_refine_codebook

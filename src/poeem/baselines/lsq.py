"""Post-hoc LSQ: faiss's additive quantizer with codes by local search, the best of its quantizers and the slowest."""

from __future__ import annotations

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.baselines.faiss_build import build_with_faiss, structure_of


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
    """``LSQ{M}x{nbits}``, or ``IVF{nlist},LSQ{M}x{nbits}`` with lists.

    Iterations are faiss's (25 of training, 16 of local search); no norms are stored, as faiss decodes to score. It is
    trained on 64 items a word, drawn at random: faiss itself draws 256 a word for k-means and none for LSQ, whose
    training would take hours.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: `M * nbits / 8` bytes per vector.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of k-means and of the search's perturbations.
    Raises:
        ValueError: fewer items than centroids, or vectors that are not finite.
    Source:
        Martinez, Zakhmi, Hoos, Little, "LSQ++: lower running time and higher recall in multi-codebook quantization",
        2018.
    """
    structure = structure_of(f"LSQ{M}x{nbits}", nlist)
    return build_with_faiss(
        "lsq",
        structure,
        items,
        M=M,
        nbits=nbits,
        nlist=nlist,
        nprobe=nprobe,
        metric=metric,
        seed=seed,
        n_train=64 * 2**nbits,
    )

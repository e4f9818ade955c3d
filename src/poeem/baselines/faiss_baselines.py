"""The baselines that are one factory string of faiss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.baselines.faiss_build import build_with_faiss, check_subspaces, structure_of

# The beam of rq-refined; the default of our own RQ.
REFINED_BEAM = 8


@dataclass(frozen=True)
class FaissBaseline:
    """A factory string with open numbers, and how it is trained.

    Args:
        quantizer: with ``{M}`` and ``{nbits}``, which give the bytes, or ``{halves}``, the number of 4-bit codes in
            these bytes.
        rotation: stands in front of the quantizer, in the same form; empty: none.
        quantizer_with_lists: replaces ``quantizer`` if there are lists.
        slices: whether ``M`` (or ``halves``) must divide the width.
        own_bytes: whether it takes ``dim`` bytes per vector and has no codewords to train.
        rows_per_codeword: vectors to train on, sampled at random; 0: all, of which k-means takes its own sample.
        prepare: called with the empty index; sets options that no factory string has.
    """

    quantizer: str
    rotation: str = ""
    quantizer_with_lists: str = ""
    slices: bool = False
    own_bytes: bool = False
    rows_per_codeword: int = 0
    prepare: Callable[[Any], None] | None = None


def _refine(index: Any) -> None:
    import faiss

    index.rq.max_beam_size = REFINED_BEAM
    index.rq.train_type |= faiss.ResidualQuantizer.Train_refine_codebook


FAISS_BASELINES: dict[str, FaissBaseline] = {
    # Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011. ``np``: without polysemous
    # training, which takes ten times longer and changes no score.
    "pq": FaissBaseline("PQ{M}x{nbits}np", slices=True),
    # Ge, He, Ke, Sun, "Optimized product quantization", 2013; the rotation is fitted for codes of ``nbits``.
    "opq": FaissBaseline("PQ{M}x{nbits}np", rotation="OPQ{M}", slices=True),
    # Chen, Guan, Wang, "Approximate nearest neighbor search by residual vector quantization", 2010. With faiss's
    # default beam (5); no norms are stored, because faiss decodes to score.
    "rq": FaissBaseline("RQ{M}x{nbits}"),
    # Babenko, Lempitsky, "Additive quantization for extreme vector compression", 2014, section 3.2: the codewords are
    # fitted to the codes all at once and the items encoded again, five times. No factory string says that, so few
    # indexes in service have it.
    "rq-refined": FaissBaseline("RQ{M}x{nbits}", prepare=_refine),
    # Martinez, Zakhmi, Hoos, Little, "LSQ++: lower running time and higher recall in multi-codebook quantization",
    # 2018. With faiss's iterations (25 of training, 16 of local search). faiss takes no sample for LSQ; training on
    # all vectors would take hours.
    "lsq": FaissBaseline("LSQ{M}x{nbits}", rows_per_codeword=64),
    # André, Kermarrec, Le Scouarnec, "Quicker ADC", 2019: 4-bit codes in the layout that faiss scans by SIMD; ``fsr``
    # codes residuals. Scores are those of the codes; faiss itself rounds its look-up tables to 8 bits.
    "opq-fastscan": FaissBaseline(
        "PQ{halves}x4fs", rotation="OPQ{halves}", quantizer_with_lists="PQ{halves}x4fsr", slices=True
    ),
    # Every dimension is rounded to one of 256 steps between its smallest and its largest value.
    "sq8": FaissBaseline("SQ8", own_bytes=True),
}


def build_faiss_baseline(name: str, items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build a baseline of :data:`FAISS_BASELINES`.

    Returns:
        the baseline.
    Raises:
        ValueError: dim is not a multiple of the number of slices, there are fewer items than centroids, or a vector is
            not finite.
    """
    table = FAISS_BASELINES[name]
    four_bits = "{halves}" in table.quantizer
    M, nbits = (2 * options.n_bytes, 4) if four_bits else (options.M, options.nbits)
    if table.slices:
        check_subspaces(name, items.shape[1], M)
    if table.rotation and len(items) < items.shape[1]:
        # faiss crashes there.
        raise ValueError(
            f"baseline {name!r} needs at least dim (={items.shape[1]}) items to fit its rotation to, got {len(items)}; "
            "leave it out"
        )
    numbers = {"halves": M} if four_bits else {"M": M, "nbits": nbits}
    quantizer = (options.nlist and table.quantizer_with_lists) or table.quantizer
    return build_with_faiss(
        name,
        structure_of(quantizer.format(**numbers), options.nlist, table.rotation.format(**numbers)),
        items,
        options,
        codes=None if table.own_bytes else (M, nbits),
        n_train=table.rows_per_codeword * 2**nbits or None,
        prepare=table.prepare,
    )

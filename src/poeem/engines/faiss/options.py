"""Which forms of a faiss index suit which trained structure."""

from __future__ import annotations

from typing import Any

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import probes_by_inner_product

# Ways to keep the vectors for a second ranking, and the largest score error each may add (relative to a query's
# largest score): rounding of float32, of half floats, of 255 steps between the extremes of a dimension.
REFINES = {"flat": 1e-5, "fp16": 2e-3, "sq8": 2e-2}


def check_options(
    bundle: Bundle, *, fastscan: bool, hnsw: bool, refine: str | None, vectors: Any, k_factor: float
) -> None:
    """Refuse an option that this index cannot have.

    Raises:
        ValueError: the reason, and what to choose instead.
    """
    spec = bundle.spec
    if fastscan and (spec.kind != "PQ" or spec.nbits != 4):
        raise ValueError(
            f"fastscan needs 4-bit PQ codes, {spec} has {spec.nbits}-bit {spec.kind} codes; train with "
            f"PQ{spec.M * spec.nbits // 4}x4, which takes the same bytes, or leave fastscan out"
        )
    by_product = bool(spec.nlist) and probes_by_inner_product(spec, bundle.metric, bundle.arrays["coarse"])
    if fastscan and spec.nlist and bundle.metric != "l2" and not by_product:
        # It adds the quantizer's distance to the score, so that lists would have to be ranked by inner product.
        raise ValueError(
            f"fastscan under {bundle.metric} needs centroids of one norm, as they are trained by default; train so, or "
            "leave fastscan out"
        )
    if hnsw and not spec.nlist:
        raise ValueError(f"hnsw finds inverted lists, but {spec} has none; train with IVF<nlist>, or leave hnsw out")
    if refine is not None and refine not in REFINES:
        raise ValueError(f"refine (={refine!r}) must be one of {', '.join(REFINES)}")
    if refine is not None and vectors is None:
        raise ValueError(
            f"refine={refine!r} needs vectors=, the items' float vectors in the order of the bundle, "
            f"({len(bundle):,}, {bundle.dim})"
        )
    if refine is None and vectors is not None:
        raise ValueError(f"vectors are kept by refine only; pass refine={' or '.join(map(repr, REFINES))} too")
    if not k_factor >= 1:
        raise ValueError(f"k_factor (={k_factor!r}) must be at least 1: candidates ranked again, in multiples of k")

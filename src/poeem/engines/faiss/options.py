"""The forms of a faiss file, and which of them an index can have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import probes_by_inner_product

# Ways to keep the vectors for a second ranking, and the largest score error each may add (relative to a query's
# largest score): rounding of float32, of half floats, of 255 steps between the extremes of a dimension.
REFINES = {"flat": 1e-5, "fp16": 2e-3, "sq8": 2e-2}


@dataclass(frozen=True, eq=False)
class FaissOptions:
    """The form of a faiss file. It changes neither arrays nor codes.

    Args:
        nprobe: lists visited per query, stored in the file; None takes the training's, or else nlist's square root.
        fastscan: 4-bit PQ codes in the layout that is scanned by SIMD: several times faster, scores to about 1 %. None
            takes it where the index can have it.
        hnsw: find the lists to visit by a graph over the centroids, for some thousand lists and more.
        refine: rank the best candidates again by vectors that are kept as ``flat``, ``fp16`` or ``sq8``.
        vectors: for ``refine``, float ``(n, dim)`` in the order of ``bundle.ids``, or a ``.npy`` file of them.
        k_factor: candidates that ``refine`` ranks again, in multiples of k; stored in the file.
        on_disk: leave the inverted lists in a file beside the index, from which faiss loads them as it searches.
        parts: other rows than the bundle's, coded with its arrays: folders of ``poeem encode``, exported faiss files or
            bundles, merged one by one; implies ``on_disk``, and may be larger than memory.
    """

    nprobe: int | None = None
    fastscan: bool | None = None
    hnsw: bool = False
    refine: str | None = None
    vectors: Any = None
    k_factor: float = 10
    on_disk: bool = False
    parts: Any = None

    def resolved(self, bundle: Bundle) -> FaissOptions:
        """The options for a bundle, with ``fastscan`` and ``on_disk`` as True or False.

        Raises:
            ValueError: the index cannot have this form.
        """
        self.check(bundle)
        on_disk = self.on_disk or self.parts is not None
        default = not on_disk and fastscan_refusal(bundle) is None
        fastscan = default if self.fastscan is None else self.fastscan
        if on_disk and (fastscan or self.refine):
            raise ValueError(
                f"lists on disk do not go together with {'fastscan' if fastscan else 'refine'}; leave one out"
            )
        return replace(self, fastscan=fastscan, on_disk=on_disk)

    def check(self, bundle: Bundle) -> None:
        """Refuse a form that this index cannot have.

        Raises:
            ValueError: the reason, and what to choose instead.
        """
        refusal = fastscan_refusal(bundle)
        if self.fastscan and refusal is not None:
            raise ValueError(refusal)
        if self.hnsw and not bundle.spec.nlist:
            raise ValueError(
                f"hnsw finds inverted lists, but {bundle.spec} has none; train with IVF<nlist>, or leave hnsw out"
            )
        if self.refine is not None and self.refine not in REFINES:
            raise ValueError(f"refine (={self.refine!r}) must be one of {', '.join(REFINES)}")
        if self.refine is not None and self.vectors is None:
            raise ValueError(
                f"refine={self.refine!r} needs vectors=, the items' float vectors in the order of the bundle, "
                f"({len(bundle):,}, {bundle.dim})"
            )
        if self.refine is None and self.vectors is not None:
            raise ValueError(f"vectors are kept by refine only; pass refine={' or '.join(map(repr, REFINES))} too")
        if not self.k_factor >= 1:
            raise ValueError(
                f"k_factor (={self.k_factor!r}) must be at least 1: candidates ranked again, in multiples of k"
            )

    def stated(self, bundle: Bundle) -> dict[str, Any]:
        """The options for the report, those that differ from a file without any; `refresh` repeats them."""
        stated = {"fastscan": self.fastscan, "hnsw": self.hnsw, "on_disk": self.on_disk}
        if self.refine:
            stated |= {"refine": self.refine, "k_factor": self.k_factor}
        could_scan = not self.on_disk and fastscan_refusal(bundle) is None
        return {name: value for name, value in stated.items() if value or (name == "fastscan" and could_scan)}


def fastscan_refusal(bundle: Bundle) -> str | None:
    """Why an index cannot have the FastScan layout, with the fix; None if it can."""
    spec = bundle.spec
    if spec.kind != "PQ" or spec.nbits != 4:
        return (
            f"fastscan needs 4-bit PQ codes, {spec} has {spec.nbits}-bit {spec.kind} codes; train with "
            f"PQ{spec.M * spec.nbits // 4}x4, which takes the same bytes, or leave fastscan out"
        )
    by_product = bool(spec.nlist) and probes_by_inner_product(spec, bundle.metric, bundle.arrays["coarse"])
    if spec.nlist and bundle.metric != "l2" and not by_product:
        # It adds the quantizer's distance to the score, so that lists would have to be ranked by inner product.
        return (
            f"fastscan under {bundle.metric} needs centroids of one norm, as they are trained by default; train so, or "
            "leave fastscan out"
        )
    return None

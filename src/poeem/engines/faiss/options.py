"""Options of a faiss file, and a check which of them an index can have."""

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
    """Options of a faiss file. They change neither arrays nor codes.

    Args:
        nprobe: default number of lists visited per query; None takes the training's, or else nlist's square root.
        fastscan: lay out 4-bit codes for SIMD scans: several times faster, scores to about 1 %. None does so if the
            index can have it.
        hnsw: find the lists to visit by an HNSW graph over the centroids, useful for thousands of lists.
        refine: also store the vectors, as ``flat``, ``fp16`` or ``sq8``, and rank the best candidates by them.
        vectors: for ``refine``, float ``(n, dim)`` in the order of ``bundle.ids``, or a ``.npy`` file of them.
        k_factor: candidates that ``refine`` ranks again, in multiples of k; stored in the file.
        on_disk: keep the inverted lists in a second file, from which faiss loads them as it searches.
        parts: other items than the bundle's, encoded with its arrays: folders of ``poeem encode``, exported faiss files
            or bundles. They are merged one by one, so they may be larger than memory. Sets ``on_disk``.
        residual_quantizer: write RQ as faiss's residual quantizer, which scans several times slower than the default
            form; but faiss itself can add rows to it and reconstruct them.
        check_parts: True compares whole faiss files among ``parts`` with the checksums in their reports, False a sample
            of their blocks.
    """

    nprobe: int | None = None
    fastscan: bool | None = None
    hnsw: bool = False
    refine: str | None = None
    vectors: Any = None
    k_factor: float = 10
    on_disk: bool = False
    parts: Any = None
    residual_quantizer: bool = False
    check_parts: bool = True

    def resolved(self, bundle: Bundle) -> FaissOptions:
        """Return the options for a bundle, with True or False for ``fastscan`` and ``on_disk``.

        Raises:
            ValueError: the index cannot have these options.
        """
        self.check(bundle)
        on_disk = self.on_disk or self.parts is not None
        default = not on_disk and self._could_scan(bundle)
        fastscan = default if self.fastscan is None else self.fastscan
        if on_disk and (fastscan or self.refine):
            raise ValueError(
                f"lists on disk do not go together with {'fastscan' if fastscan else 'refine'}; leave one out"
            )
        return replace(self, fastscan=fastscan, on_disk=on_disk)

    def check(self, bundle: Bundle) -> None:
        """Raise an error if the index of a bundle cannot have these options.

        Raises:
            ValueError: with the reason, and what to choose instead.
        """
        if self.residual_quantizer and bundle.spec.kind != "RQ":
            raise ValueError(f"residual_quantizer is a form of RQ, not of {bundle.spec}; leave it out")
        if self.fastscan and self.residual_quantizer:
            raise ValueError("fastscan does not go together with residual_quantizer; leave one out")
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
        """Return the options that are on, and ``fastscan`` if it is possible, for the report and for `refresh`."""
        stated = {"fastscan": self.fastscan, "hnsw": self.hnsw, "on_disk": self.on_disk}
        stated |= {"residual_quantizer": self.residual_quantizer}
        if self.refine:
            stated |= {"refine": self.refine, "k_factor": self.k_factor}
        could_scan = not self.on_disk and self._could_scan(bundle)
        return {name: value for name, value in stated.items() if value or (name == "fastscan" and could_scan)}

    def _could_scan(self, bundle: Bundle) -> bool:
        return not self.residual_quantizer and fastscan_refusal(bundle) is None


def fastscan_refusal(bundle: Bundle) -> str | None:
    """Return why an index cannot have the FastScan layout, with the fix; None if it can."""
    spec = bundle.spec
    if spec.nbits != 4:
        return (
            f"fastscan needs 4-bit codes, {spec} has {spec.nbits}-bit ones; train with "
            f"{spec.kind}{spec.M * spec.nbits // 4}x4, which takes the same bytes, or leave fastscan out"
        )
    if spec.kind == "RQ" and bundle.metric == "l2":
        return f"fastscan of {spec} needs ip or cosine, not l2; train for these, train PQ, or leave fastscan out"
    by_product = bool(spec.nlist) and probes_by_inner_product(spec, bundle.metric, bundle.arrays["coarse"])
    if spec.nlist and bundle.metric != "l2" and not by_product:
        # It adds the quantizer's distance to the score, so that lists would have to be ranked by inner product.
        return (
            f"fastscan under {bundle.metric} needs centroids of one norm, as they are trained by default; train so, or "
            "leave fastscan out"
        )
    return None

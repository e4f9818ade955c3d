"""A table of what each engine can do, and checks whether an engine can hold an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poeem.spec import IndexSpec


@dataclass(frozen=True)
class Capabilities:
    """What one engine can do.

    Args:
        kinds: supported quantizers (``PQ``, ``RQ``).
        metrics: supported metrics.
        residual_metrics: supported metrics of indexes with inverted lists, whose codes are of residuals.
        nbits: supported bits per subquantizer.
        flat: whether an index may have no inverted lists.
        lists: whether an index may have inverted lists.
        rotation: whether an index may have a rotation.
        rotation_inside: whether the engine's own file holds the rotation, so that the engine alone can search it.
        exact: whether scores equal the reference's up to float32 rounding.
        fastscan: whether 4-bit codes can be scanned by SIMD, with approximate scores.
        refine: whether the float vectors can be stored beside the codes, to rank the best candidates again.
        filter: whether a search can be restricted to a set of ids.
        range_search: whether a search can return all items with a score better than a threshold.
        add: whether rows can be added.
        delete: whether rows can be deleted.
        replace: whether a row can be replaced in one call.
        larger_than_memory: whether the codes may stay on disk.
        needs_vectors: whether an export needs the float vectors beside the bundle.
    """

    kinds: tuple[str, ...] = ("PQ", "RQ")
    metrics: tuple[str, ...] = ("ip", "l2", "cosine")
    residual_metrics: tuple[str, ...] = ("ip", "l2", "cosine")
    nbits: tuple[int, ...] = (4, 5, 6, 7, 8)
    flat: bool = True
    lists: bool = True
    rotation: bool = True
    rotation_inside: bool = True
    exact: bool = True
    fastscan: bool = False
    refine: bool = False
    filter: bool = False
    range_search: bool = False
    add: bool = False
    delete: bool = False
    replace: bool = False
    larger_than_memory: bool = False
    needs_vectors: bool = False


CAPABILITIES: dict[str, Capabilities] = {
    "reference": Capabilities(),
    # faiss has no upsert: adding an id again gives it twice, so that replacing is remove and add.
    "faiss": Capabilities(
        fastscan=True, refine=True, filter=True, range_search=True, add=True, delete=True, larger_than_memory=True
    ),
    # The rotation stays in our searcher, before the engine.
    "lance": Capabilities(
        kinds=("PQ",),
        nbits=(4, 8),
        rotation_inside=False,
        refine=True,
        filter=True,
        add=True,
        delete=True,
        replace=True,
        larger_than_memory=True,
        needs_vectors=True,
    ),
    # Experimental. Residuals only by inner product; scores by look-up tables of 8 bits.
    "scann": Capabilities(
        kinds=("PQ",),
        residual_metrics=("ip", "cosine"),
        nbits=(4,),
        rotation_inside=False,
        exact=False,
        fastscan=True,
    ),
}

# The columns of the table as it is shown, each with its meaning.
COLUMNS = {
    "rotation": "the rotation is in the engine's file",
    "flat": "indexes without inverted lists",
    "lists": "indexes with inverted lists (IVF)",
    "residual ip": "lists under inner product",
    "residual l2": "lists under L2",
    "residual cosine": "lists under cosine",
    "nbits": "bits per subquantizer",
    "RQ": "additive (residual) quantizers",
    "exact": "scores equal the reference's to 1e-5",
    "FastScan": "4-bit codes scanned by SIMD, approximate scores",
    "refine": "vectors beside the codes rank the best again",
    "filter": "a search restricted to ids",
    "range": "all items better than a threshold",
    "add": "rows can be added",
    "delete": "rows can be deleted",
    "replace": "a row can be replaced in one call; else delete and add it",
    "larger than memory": "the codes may stay on disk",
    "vectors": "the float vectors are needed for an export",
}


def capability_table() -> dict[str, dict[str, Any]]:
    """Return the columns of `COLUMNS` for every engine, as plain values: ``{engine: {column: value}}``.

    >>> capability_table()["faiss"]["nbits"], capability_table()["faiss"]["replace"]
    ([4, 5, 6, 7, 8], False)
    """
    table = {}
    for engine, able in CAPABILITIES.items():
        values = [
            able.rotation_inside,
            able.flat,
            able.lists,
            *(able.lists and metric in able.residual_metrics for metric in ("ip", "l2", "cosine")),
            list(able.nbits),
            "RQ" in able.kinds,
            able.exact,
            able.fastscan,
            able.refine,
            able.filter,
            able.range_search,
            able.add,
            able.delete,
            able.replace,
            able.larger_than_memory,
            able.needs_vectors,
        ]
        table[engine] = dict(zip(COLUMNS, values, strict=True))
    return table


def engine_capabilities(engine: str) -> Capabilities:
    """Return the capabilities of an engine.

    Raises:
        ValueError: there is no such engine.

    >>> engine_capabilities("lucene")
    Traceback (most recent call last):
    ...
    ValueError: engine (='lucene') is not known; choose one of reference, faiss, lance, scann
    """
    if engine not in CAPABILITIES:
        raise ValueError(f"engine (={engine!r}) is not known; choose one of {', '.join(CAPABILITIES)}")
    return CAPABILITIES[engine]


def check_capable(engine: str, spec: IndexSpec, metric: str) -> None:
    """Raise an error if an engine cannot hold an index of this spec and metric.

    Raises:
        ValueError: with the reason, and what to train or choose instead.
    """
    reasons = refusals(engine_capabilities(engine), spec, metric)
    if reasons:
        others = [
            name for name, able in CAPABILITIES.items() if name != "reference" and not refusals(able, spec, metric)
        ]
        raise ValueError(
            f"engine {engine!r} cannot hold {spec} ({metric}): it {reasons[0]}, or export to "
            f"{' or '.join(others) or 'another engine'}"
        )


def refusals(able: Capabilities, spec: IndexSpec, metric: str) -> list[str]:
    """Return the reasons why an engine cannot hold an index, each with the fix; empty if it can."""
    checks = [
        (spec.kind not in able.kinds, f"has no {spec.kind} quantizer; train {' or '.join(able.kinds)}"),
        (metric not in able.metrics, f"does not score by {metric}; train for {' or '.join(able.metrics)}"),
        (
            bool(spec.nlist) and metric not in able.residual_metrics,
            f"codes no residuals under {metric}; train without IVF, or for {' or '.join(able.residual_metrics)}",
        ),
        (spec.nbits not in able.nbits, f"has no {spec.nbits}-bit codes; train with nbits {_listed(able.nbits)}"),
        (not spec.nlist and not able.flat, "has no flat index; train with IVF<nlist>"),
        (bool(spec.nlist) and not able.lists, "has no inverted lists; train without IVF"),
        (spec.rotated and not able.rotation, "has no rotation; train without OPQ"),
    ]
    return [reason for refused, reason in checks if refused]


def _listed(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))

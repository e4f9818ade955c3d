"""One table of what every engine can do, and the refusal of what it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from poeem.spec import IndexSpec


@dataclass(frozen=True)
class Capabilities:
    """What one engine can do.

    Args:
        kinds: quantizers (``PQ``, ``RQ``).
        metrics: metrics at all.
        residual_metrics: metrics under which codes may be of residuals (specs with inverted lists).
        nbits: bits per subquantizer.
        flat: specs without inverted lists.
        rotation: the rotation is in the engine's file, so that a stock reader needs to know nothing.
        exact: scores equal the reference's up to float32 rounding.
        filter: a search can be restricted to a set of ids.
        add: rows can be added.
        delete: rows can be deleted.
        replace: a row can be replaced in one call.
        needs_vectors: the float vectors are needed beside the bundle.
    """

    kinds: tuple[str, ...] = ("PQ", "RQ")
    metrics: tuple[str, ...] = ("ip", "l2", "cosine")
    residual_metrics: tuple[str, ...] = ("ip", "l2", "cosine")
    nbits: tuple[int, ...] = (4, 5, 6, 7, 8)
    flat: bool = True
    rotation: bool = True
    exact: bool = True
    filter: bool = False
    add: bool = False
    delete: bool = False
    replace: bool = False
    needs_vectors: bool = False


CAPABILITIES: dict[str, Capabilities] = {
    "reference": Capabilities(),
    # faiss has no upsert: adding an id again gives it twice, so that replacing is remove and add.
    "faiss": Capabilities(filter=True, add=True, delete=True),
}


def engine_capabilities(engine: str) -> Capabilities:
    """The row of an engine.

    Raises:
        ValueError: there is no such engine.

    >>> engine_capabilities("lucene")
    Traceback (most recent call last):
    ...
    ValueError: engine (='lucene') is not known; choose one of reference, faiss
    """
    if engine not in CAPABILITIES:
        raise ValueError(f"engine (={engine!r}) is not known; choose one of {', '.join(CAPABILITIES)}")
    return CAPABILITIES[engine]


def check_capable(engine: str, spec: IndexSpec, metric: str) -> None:
    """Refuse an index that an engine cannot score as it was trained.

    Raises:
        ValueError: the reason, and what to train or choose instead.
    """
    able = engine_capabilities(engine)
    refusals = [
        (spec.kind not in able.kinds, f"has no {spec.kind} quantizer; train {' or '.join(able.kinds)}"),
        (metric not in able.metrics, f"does not score by {metric}; train for {' or '.join(able.metrics)}"),
        (
            bool(spec.nlist) and metric not in able.residual_metrics,
            f"codes no residuals under {metric}; train without IVF, or for {' or '.join(able.residual_metrics)}",
        ),
        (spec.nbits not in able.nbits, f"has no {spec.nbits}-bit codes; train with nbits {_words(able.nbits)}"),
        (not spec.nlist and not able.flat, "has no flat index; train with IVF<nlist>"),
        (spec.rotated and not able.rotation, "has no rotation; train without OPQ"),
    ]
    for refused, reason in refusals:
        if refused:
            raise ValueError(
                f"engine {engine!r} cannot hold {spec} ({metric}): it {reason}, or export to another engine"
            )


def _words(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))

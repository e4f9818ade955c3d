"""Fit structures to a sample of the items quickly, to suggest what to train."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from poeem.evaluation.intervals import FEW_QUERIES, format_figure, with_intervals
from poeem.evaluation.scorers import FloatScorer
from poeem.explain import refits
from poeem.explain.explain import with_neighbours
from poeem.explain.measures import NEIGHBOURS, measure_recall
from poeem.explain.options import SampleOptions
from poeem.explain.workload import Workload, sample_workload
from poeem.spec import IndexSpec

# Items that structures are fitted to and measured on.
SAMPLE_ITEMS = 20_000
# With a byte per dimension and more, plain int8 does as well.
_MOST_BYTES = 64


@dataclass(frozen=True)
class Fit:
    """A structure that was fitted to a sample.

    Args:
        spec, bytes_per_vector: the structure and its size.
        recall: recall by measure, all lists visited. On the sample it is higher than on all items.
        seconds: time to fit and encode.
        queries: the smallest number of queries of any measure.
        intervals: 95 % interval of each recall.
    """

    spec: str
    bytes_per_vector: int
    recall: dict[str, float]
    seconds: float
    queries: int = FEW_QUERIES
    intervals: dict[str, list[float]] = field(default_factory=dict)

    def shown(self, measure: str) -> str:
        """Return the recall of a measure as text with four digits, and its interval if there are few queries."""
        return format_figure({**self.recall, "queries": self.queries, "intervals": self.intervals}, measure)


def quick_fits(workload: Workload, specs: Sequence[IndexSpec], options: SampleOptions) -> list[Fit]:
    """Fit structures to a sample of the items and return their recalls. Structures that do not suit are left out."""
    small = replace(options, max_items=SAMPLE_ITEMS, max_queries=max(50, len(workload.queries)))
    sample = sample_workload(workload, small)
    exact = FloatScorer(sample.items, workload.bundle.metric)
    queries = with_neighbours(exact, sample.queries, sample.available, options.k)
    fits = []
    for spec in specs:
        if not suits(spec, sample):
            continue
        options.log(f"fitting {spec}")
        began = time.perf_counter()
        index = refits.fit_index(sample.prepared_items, spec, workload.bundle.metric, options.seed)
        seconds = time.perf_counter() - began
        values = measure_recall(refits.bundle_scorer(index, None), queries, sample.available)
        block = with_intervals(values)
        means = {name: block[name] for name in values}
        fits.append(Fit(str(spec), spec.bytes_per_vector, means, seconds, block["queries"], block["intervals"]))
    return fits


def suits(spec: IndexSpec, workload: Workload) -> bool:
    """Return whether the vectors are wide enough and numerous enough for a structure."""
    divides = spec.kind == "RQ" or workload.bundle.dim % spec.M == 0
    return divides and len(workload.items) >= max(spec.ksub, spec.nlist)


def specs_of_size(size: int, nlist: int = 0) -> list[IndexSpec]:
    """Return the structures of ``size`` bytes: PQ, OPQ and RQ with 8 and 4 bits.

    >>> [str(spec) for spec in specs_of_size(4, nlist=16)]
    ['IVF16,PQ4', 'OPQ4,IVF16,PQ4', 'IVF16,PQ8x4', 'OPQ8,IVF16,PQ8x4', 'IVF16,RQ4x8', 'IVF16,RQ8x4']
    """
    product = [
        IndexSpec("PQ", size * 8 // nbits, nbits, nlist, rotated) for nbits in (8, 4) for rotated in (False, True)
    ]
    return [*product, *(IndexSpec("RQ", size * 8 // nbits, nbits, nlist) for nbits in (8, 4))]


def four_bit_spec(spec: IndexSpec, workload: Workload) -> IndexSpec | None:
    """Return the structure of as many bytes that faiss scans by SIMD; None if it is that already, or none suits."""
    M = spec.M * spec.nbits // 4
    if spec.nbits == 4 or spec.M * spec.nbits != M * 4 or (spec.kind == "RQ" and workload.bundle.metric == "l2"):
        return None
    found = replace(spec, M=M, nbits=4)
    return found if suits(found, workload) else None


def try_larger_codes(workload: Workload, recall: float, options: SampleOptions) -> tuple[list[Fit], dict[str, Any]]:
    """Fit the present structure, additive codewords of its size, and larger codes, until one reaches ``recall``.

    Returns:
        the fits, the present structure first; and a dict: ``bytes`` that should reach the recall on the sample, and
        ``spec`` of the fit that does. If no fit does, ``spec`` is None, ``bytes`` is extrapolated (None if impossible),
        and ``extrapolated`` is True.
    """
    spec = workload.bundle.spec
    candidates = [spec] if spec.kind == "RQ" else [spec, replace(spec, kind="RQ", rotated=False)]
    M = 2 * spec.M
    while M * spec.nbits <= 8 * min(_MOST_BYTES, workload.bundle.dim):
        larger = replace(spec, M=M)
        # PQ needs a width that M divides, RQ does not.
        candidates.append(larger if suits(larger, workload) else replace(larger, kind="RQ", rotated=False))
        M *= 2
    fits: list[Fit] = []
    for candidate in candidates:
        fits += quick_fits(workload, [candidate], options)
        if fits and fits[-1].recall[NEIGHBOURS] >= recall:
            return fits, {"bytes": fits[-1].bytes_per_vector, "spec": fits[-1].spec, "extrapolated": False}
    return fits, {"bytes": extrapolate_bytes(fits, recall), "spec": None, "extrapolated": True}


def extrapolate_bytes(fits: Sequence[Fit], recall: float) -> int | None:
    """Return the bytes per vector that should reach a recall; None if no size does.

    They are extrapolated by the line of ``log(1 - recall)`` through the last two fits.

    >>> fits = [Fit("PQ8", 8, {"neighbours": 0.5}, 0), Fit("PQ16", 16, {"neighbours": 0.75}, 0)]
    >>> extrapolate_bytes(fits, 0.875)
    24
    """
    if len(fits) < 2 or recall >= 1:
        return None
    (bytes_1, miss_1), (bytes_2, miss_2) = ((fit.bytes_per_vector, 1 - fit.recall[NEIGHBOURS]) for fit in fits[-2:])
    if not miss_1 > miss_2 > 0:
        return None
    slope = (math.log(miss_2) - math.log(miss_1)) / (bytes_2 - bytes_1)
    return math.ceil(round(bytes_2 + (math.log(1 - recall) - math.log(miss_2)) / slope, 6))

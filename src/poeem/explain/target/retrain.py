"""What a training should take instead: structures fitted quickly to a sample, and lists by k-means."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from poeem.evaluation.intervals import FEW_QUERIES, format_figure, with_intervals
from poeem.evaluation.scorers import FloatScorer, pairwise_scores, prepared
from poeem.explain import refits
from poeem.explain.query_set import NEIGHBOURS, QuerySet, found, nearest
from poeem.explain.workload import Workload, drawn
from poeem.functional.coarse import assign_lists, equal_norms
from poeem.functional.kmeans import kmeans
from poeem.spec import IndexSpec

# Items that structures are fitted to and measured on.
SAMPLE_ITEMS = 20_000
# With a byte a dimension and more, plain int8 does as well.
_MOST_BYTES = 64


@dataclass(frozen=True)
class Fit:
    """A structure that was fitted to a sample.

    Args:
        spec, bytes_per_vector: the structure.
        recall: by measure, all lists visited; on the sample, where it is higher than on a larger catalogue.
        seconds: of fitting and encoding.
        queries: the least number of queries that a recall is a mean over.
        intervals: 95 % interval of each recall.
    """

    spec: str
    bytes_per_vector: int
    recall: dict[str, float]
    seconds: float
    queries: int = FEW_QUERIES
    intervals: dict[str, list[float]] = field(default_factory=dict)

    def shown(self, measure: str) -> str:
        """A recall to four digits, with its interval where the queries are few."""
        return format_figure({**self.recall, "queries": self.queries, "intervals": self.intervals}, measure)


def quick_fits(
    case: Workload,
    specs: Sequence[IndexSpec],
    k: int,
    *,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Fit]:
    """Plain fits of structures to a sample of the items, those left out that the vectors cannot have."""
    sample = small(case, k, seed)
    fits = []
    for spec in specs:
        if not suits(spec, sample):
            continue
        tell(f"fitting {spec}")
        began = time.perf_counter()
        made = refits.fitted(sample.prepared, spec, case.bundle.metric, seed)
        seconds = time.perf_counter() - began
        values = found(refits.scorer_of(made, None), sample.asked, sample.available)
        block = with_intervals(values)
        means = {name: block[name] for name in values}
        fits.append(Fit(str(spec), spec.bytes_per_vector, means, seconds, block["queries"], block["intervals"]))
    return fits


def small(case: Workload, k: int, seed: int) -> Workload:
    """The case on a sample, with the neighbours there."""
    sample = drawn(case, max_items=SAMPLE_ITEMS, max_queries=max(50, len(case.asked)), seed=seed)
    exact = FloatScorer(sample.items, case.bundle.metric)
    neighbours = nearest(exact, sample.asked, sample.available, k)
    return dataclasses.replace(sample, asked=dataclasses.replace(sample.asked, neighbours=neighbours))


def suits(spec: IndexSpec, case: Workload) -> bool:
    """Whether the sample has the width and the rows for a structure."""
    wide = spec.kind == "RQ" or case.bundle.dim % spec.M == 0
    return wide and len(case.items) >= max(spec.ksub, spec.nlist)


def of_bytes(size: int, nlist: int = 0) -> list[IndexSpec]:
    """Structures of a size: PQ and OPQ with 8 and 4 bits, and RQ.

    >>> [str(spec) for spec in of_bytes(4, nlist=16)]
    ['IVF16,PQ4', 'OPQ4,IVF16,PQ4', 'IVF16,PQ8x4', 'OPQ8,IVF16,PQ8x4', 'IVF16,RQ4x8']
    """
    product = [
        IndexSpec("PQ", size * 8 // nbits, nbits, nlist, rotated) for nbits in (8, 4) for rotated in (False, True)
    ]
    return [*product, IndexSpec("RQ", size, 8, nlist)]


def larger_codes(
    case: Workload, recall: float, k: int, *, seed: int = 0, tell: Callable[[str], None] = lambda line: None
) -> tuple[list[Fit], dict[str, Any]]:
    """The present structure, additive words of its size, and ones of twice the size until the sample reaches a recall.

    Returns:
        the fits, the present structure's first; and ``bytes`` that should do, with ``spec`` if that was fitted, else
        ``extrapolated`` from the last two by a straight line of log(1 - recall) over bytes.
    """
    spec = case.bundle.spec
    tried = [spec] if spec.kind == "RQ" else [spec, replace(spec, kind="RQ", rotated=False)]
    words = 2 * spec.M
    while words * spec.nbits <= 8 * min(_MOST_BYTES, case.bundle.dim):
        larger = replace(spec, M=words)
        # Slices must divide the width, sums need not.
        tried.append(larger if suits(larger, case) else replace(larger, kind="RQ", rotated=False))
        words *= 2
    fits: list[Fit] = []
    for one in tried:
        fits += quick_fits(case, [one], k, seed=seed, tell=tell)
        if fits and fits[-1].recall[NEIGHBOURS] >= recall:
            return fits, {"bytes": fits[-1].bytes_per_vector, "spec": fits[-1].spec, "extrapolated": False}
    return fits, {"bytes": extrapolated(fits, recall), "spec": None, "extrapolated": True}


def extrapolated(fits: Sequence[Fit], recall: float) -> int | None:
    """Bytes at which the line through the last two fits meets a recall; None if it never does.

    >>> fits = [Fit("PQ8", 8, {"neighbours": 0.5}, 0), Fit("PQ16", 16, {"neighbours": 0.75}, 0)]
    >>> extrapolated(fits, 0.875)
    24
    """
    if len(fits) < 2 or recall >= 1:
        return None
    (first, second) = ((fit.bytes_per_vector, 1 - fit.recall[NEIGHBOURS]) for fit in fits[-2:])
    if not first[1] > second[1] > 0:
        return None
    slope = (math.log(second[1]) - math.log(first[1])) / (second[0] - first[0])
    return math.ceil(round(second[0] + (math.log(1 - recall) - math.log(second[1])) / slope, 6))


@dataclass(frozen=True)
class Lists:
    """Lists by k-means on the items, and what it takes to find the neighbours in them.

    Args:
        nlist: how many.
        nprobe: of them that hold the wanted share of the neighbours.
        compared: centroids and codes compared a query with that.
    """

    nlist: int
    nprobe: int
    compared: float


def lists_for(case: Workload, share: float, seed: int = 0) -> list[Lists]:
    """Numbers of lists around the root of the catalogue, and the present one.

    Args:
        case: with neighbours.
        share: of the neighbours that the visited lists must hold.
        seed: of the k-means.
    """
    n = len(case.items)
    root = 2 ** round(math.log2(math.sqrt(n)))
    numbers = sorted({root // 2, root, 2 * root, 4 * root, case.bundle.spec.nlist} - {0, 1})
    return [_lists(case, nlist, share, seed) for nlist in numbers if nlist <= n // 8]


def _lists(case: Workload, nlist: int, share: float, seed: int) -> Lists:
    x, metric = torch.from_numpy(case.prepared), case.bundle.metric
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(x), generator=generator)[: max(refits.FIT_ROWS, 32 * nlist)]
    coarse = kmeans(x[rows][:, None], nlist, iterations=10, generator=generator)[0]
    if metric != "l2":
        coarse = equal_norms(coarse)
    lists = assign_lists(x, coarse).numpy()
    asked: QuerySet = case.asked
    queries = prepared(asked.queries, metric, "queries")
    order = np.argsort(-pairwise_scores(queries, coarse.numpy(), metric), axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(nlist)[None], axis=1)
    assert asked.neighbours is not None
    visited = np.take_along_axis(place, lists[asked.neighbours], axis=1)
    held = np.bincount(visited.ravel(), minlength=nlist).cumsum() / visited.size
    nprobe = int(np.searchsorted(held, min(share, held[-1]) - 1e-12)) + 1
    scanned = np.bincount(lists, minlength=nlist)[order[:, :nprobe]].sum(1).mean()
    return Lists(nlist, nprobe, float(nlist + scanned))

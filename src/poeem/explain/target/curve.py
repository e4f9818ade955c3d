"""The operating curve: what faiss finds, and how long it takes, by nprobe and by candidates ranked again by vectors."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.engines.faiss.build import build_index
from poeem.evaluation.intervals import FEW_QUERIES, format_figure, with_intervals
from poeem.explain import refits
from poeem.explain.list_balance import scanned_by_nprobe
from poeem.explain.workload import Workload

# Candidates ranked again, in multiples of k.
K_FACTORS = (2, 5, 10, 20, 50, 100)
# Queries that are timed one by one, and those that recall is a mean over.
_TIMED, _COUNTED = 64, 500
# Once so long has been measured, more lists are left out.
SECONDS = 120.0


@dataclass(frozen=True)
class Point:
    """One setting of the search.

    Args:
        nprobe: lists visited; None for a flat index.
        k_factor: candidates ranked again by float vectors, in multiples of k; None is none, and needs no vectors.
        recall: share of the exact k nearest that is found.
        queries: how many ``recall`` is a mean over.
        intervals: 95 % interval of ``recall``.
        scanned: codes compared a query, mean.
        ms: milliseconds a query, one after the other, one thread; the median.
    """

    nprobe: int | None
    k_factor: int | None
    recall: float
    scanned: float
    ms: float
    queries: int = FEW_QUERIES
    intervals: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> str:
        """``recall`` to four digits, with its interval where the queries are few."""
        return format_figure(dataclasses.asdict(self), "recall")

    @property
    def key(self) -> str:
        """As faiss's ``ParameterSpace`` writes the setting."""
        return setting(self.nprobe, self.k_factor)


def setting(nprobe: int | None, k_factor: int | None) -> str:
    """A setting as faiss's ``ParameterSpace`` writes it.

    >>> setting(4, 10), setting(None, None)
    ('nprobe=4,k_factor_rf=10', '')
    """
    parts = [] if nprobe is None else [f"nprobe={nprobe}"]
    return ",".join(parts + ([] if k_factor is None else [f"k_factor_rf={k_factor}"]))


def operating_points(
    case: Workload, k: int, *, seconds: float = SECONDS, tell: Callable[[str], None] = lambda line: None
) -> tuple[list[Point], list[str]]:
    """Every setting tried on an index of faiss in memory.

    The ranges are our own: ``ParameterSpace.initialize`` leaves out visiting all lists and, behind an id map, ranking
    again; and adds a filter by polysemous codes, which ours are not. Setting the parameters is left to it.

    Args:
        case: with the exact neighbours of its queries, ``k`` each.
        k: results a query.
        seconds: after which larger nprobes are left out.
        tell: is told what is being done.
    Returns:
        the points, and notes.
    """
    import faiss

    bundle = dataclasses.replace(case.bundle, ids=np.arange(len(case.bundle)))
    vectors = np.asarray(case.items, dtype=np.float32)
    codes: Any = build_index(bundle)
    refined: Any = build_index(bundle, refine="flat", vectors=vectors)
    adapter = bundle.arrays.get("query_adapter")
    queries = np.asarray(case.asked.queries, dtype=np.float32)
    queries = np.ascontiguousarray(queries if adapter is None else queries @ adapter)
    assert case.asked.neighbours is not None
    nlist, space, points, notes = bundle.spec.nlist, faiss.ParameterSpace(), [], []
    probes = [2**power for power in range(nlist.bit_length()) if 2**power < nlist] + [nlist] if nlist else [None]
    scanned = scanned_by_nprobe(refits.scorer_of(bundle, None), queries) if nlist else np.array([float(len(bundle))])
    factors = [None, *(factor for factor in K_FACTORS if factor * k <= len(bundle))]
    before, began = faiss.omp_get_max_threads(), time.perf_counter()
    faiss.omp_set_num_threads(1)
    try:
        for nprobe in probes:
            tell(f"searching with nprobe {nprobe}" if nprobe else "searching")
            for factor in factors:
                index = codes if factor is None else refined
                key = setting(nprobe, factor)
                if key:
                    space.set_index_parameters(index, key)
                found, ms = _search(index, queries, k, case.asked.own)
                hits = (found[:, :, None] == case.asked.neighbours[: len(found), None, :]).any(2).sum(1)
                found_share = with_intervals({"recall": hits / case.asked.neighbours.shape[1]})
                points.append(Point(nprobe, factor, scanned=float(scanned[(nprobe or 1) - 1]), ms=ms, **found_share))
            if time.perf_counter() - began > seconds and nprobe != probes[-1]:
                notes.append(f"more than {nprobe} lists were not tried: {seconds:.0f} s were over")
                break
    finally:
        faiss.omp_set_num_threads(before)
    return points, notes


def _search(index: Any, queries: np.ndarray, k: int, own: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Ids of a batch, none the item that its query is (``own``), and the milliseconds of single queries."""
    if own is None:
        _, found = index.search(queries[:_COUNTED], k)
    else:
        _, found = index.search(queries[:_COUNTED], k + 1)
        # The item itself goes last, and what is last goes.
        itself = found == own[: len(found), None]
        found = np.take_along_axis(found, np.argsort(itself, axis=1, kind="stable"), axis=1)[:, :k]
    times = []
    for row in range(min(_TIMED, len(queries))):
        began = time.perf_counter()
        index.search(queries[row : row + 1], k)
        times.append(time.perf_counter() - began)
    return found, 1000 * float(np.median(times))


def optimal(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both recall and time, the fastest first, by faiss's ``OperatingPoints``.

    >>> a, b, c = Point(1, None, 0.5, 10, 0.1), Point(2, None, 0.4, 20, 0.2), Point(4, None, 0.9, 40, 0.3)
    >>> [point.nprobe for point in optimal([a, b, c])]
    [1, 4]
    """
    import faiss

    held: Any = faiss.OperatingPoints()
    for number, point in enumerate(points):
        held.add(point.recall, point.ms, point.key, number)
    best: Any = held.optimal_pts
    numbers = [best.at(i).cno for i in range(best.size())]
    return [points[number] for number in numbers if number >= 0]


def cheapest(points: Sequence[Point], recall: float) -> Point | None:
    """The fastest that reaches a recall."""
    return min((point for point in points if point.recall >= recall), key=lambda point: point.ms, default=None)


def best_within(points: Sequence[Point], ms: float) -> Point | None:
    """The one that finds most within a time; of equals the fastest."""
    return max((point for point in points if point.ms <= ms), key=lambda point: (point.recall, -point.ms), default=None)

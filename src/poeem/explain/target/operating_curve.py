"""Measure the operating curve of a faiss index: recall and latency by nprobe and by number of re-ranked candidates."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.options import FaissOptions
from poeem.evaluation.intervals import FEW_QUERIES, format_figure, with_intervals
from poeem.evaluation.recall import neighbour_share
from poeem.explain import refits
from poeem.explain.list_balance import scanned_by_nprobe
from poeem.explain.options import SampleOptions
from poeem.explain.workload import Workload

# Re-ranked candidates, in multiples of k.
K_FACTORS = (2, 5, 10, 20, 50, 100)
# Number of queries that are timed one by one, and of those that give the recall.
_TIMED, _COUNTED = 64, 500
# After this time, larger nprobes are left out.
SECONDS = 120.0


@dataclass(frozen=True)
class Point:
    """One setting of the search, with its recall and latency.

    Args:
        nprobe: lists visited; None for a flat index.
        k_factor: candidates re-ranked by float vectors, in multiples of k. None: no re-ranking; no vectors are needed.
        recall: fraction of the exact k nearest items that are found, 0 to 1.
        queries: number of queries measured for ``recall``.
        intervals: 95 % interval of ``recall``.
        scanned: mean number of codes scanned per query.
        ms: median milliseconds per query; single queries on one thread.
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
        """``recall`` as text with four digits, and its interval if there are few queries."""
        return format_figure(dataclasses.asdict(self), "recall")


def faiss_setting(nprobe: int | None, k_factor: int | None) -> str:
    """Return a setting in the syntax of faiss's ``ParameterSpace``.

    >>> faiss_setting(4, 10), faiss_setting(None, None)
    ('nprobe=4,k_factor_rf=10', '')
    """
    parts = [] if nprobe is None else [f"nprobe={nprobe}"]
    return ",".join(parts + ([] if k_factor is None else [f"k_factor_rf={k_factor}"]))


def operating_points(
    workload: Workload, options: SampleOptions, *, seconds: float = SECONDS
) -> tuple[list[Point], list[str]]:
    """Measure all settings on a faiss index in memory.

    We choose the ranges. faiss's ``ParameterSpace.initialize`` omits the visit of all lists and, behind an id map,
    re-ranking. It adds a filter by polysemous codes, which our codes are not.

    Args:
        workload: index, items and queries, with the ``options.k`` exact neighbours of each query.
        options: ``k`` results per query, and log.
        seconds: time after which larger nprobes are left out.
    Returns:
        the points, and notes.
    """
    import faiss

    k, neighbours = options.k, workload.queries.neighbours
    assert neighbours is not None
    bundle = dataclasses.replace(workload.bundle, ids=np.arange(len(workload.bundle)))
    vectors = np.asarray(workload.items, dtype=np.float32)
    fastscan = bool(FaissOptions().resolved(bundle).fastscan)
    codes: Any = build_index(bundle, fastscan=fastscan)
    refined: Any = build_index(bundle, refine="flat", vectors=vectors, fastscan=fastscan)
    queries = np.ascontiguousarray(workload.adapted_queries.vectors, dtype=np.float32)
    nlist, space, points, notes = bundle.spec.nlist, faiss.ParameterSpace(), [], []
    probes = [2**power for power in range(nlist.bit_length()) if 2**power < nlist] + [nlist] if nlist else [None]
    scorer = refits.bundle_scorer(bundle, None)
    scanned = scanned_by_nprobe(scorer, queries) if nlist else np.array([float(len(bundle))])
    factors = [None, *(factor for factor in K_FACTORS if factor * k <= len(bundle))]
    threads, began = faiss.omp_get_max_threads(), time.perf_counter()
    faiss.omp_set_num_threads(1)
    try:
        for nprobe in probes:
            options.log(f"searching with nprobe {nprobe}" if nprobe else "searching")
            for factor in factors:
                index = codes if factor is None else refined
                setting = faiss_setting(nprobe, factor)
                if setting:
                    space.set_index_parameters(index, setting)
                rows, ms = _search(index, queries, k, workload.queries.self_rows)
                recall = with_intervals({"recall": neighbour_share(rows, neighbours[: len(rows)])})
                points.append(Point(nprobe, factor, scanned=float(scanned[(nprobe or 1) - 1]), ms=ms, **recall))
            if time.perf_counter() - began > seconds and nprobe != probes[-1]:
                notes.append(f"more than {nprobe} lists were not tried: the limit of {seconds:.0f} s was reached")
                break
    finally:
        faiss.omp_set_num_threads(threads)
    return points, notes


def _search(index: Any, queries: np.ndarray, k: int, self_rows: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The rows found for a batch, without the item that a query is, and the milliseconds of single queries."""
    batch = queries[:_COUNTED]
    if self_rows is None:
        _, rows = index.search(batch, k)
    else:
        _, rows = index.search(batch, k + 1)
        # Move the item itself to the end, then cut the end off.
        is_self = rows == self_rows[: len(rows), None]
        rows = np.take_along_axis(rows, np.argsort(is_self, axis=1, kind="stable"), axis=1)[:, :k]
    times = []
    for row in range(min(_TIMED, len(queries))):
        began = time.perf_counter()
        index.search(queries[row : row + 1], k)
        times.append(time.perf_counter() - began)
    return rows, 1000 * float(np.median(times))


def optimal_points(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other point beats in both recall and time, the fastest first.

    >>> a, b, c = Point(1, None, 0.5, 10, 0.1), Point(2, None, 0.4, 20, 0.2), Point(4, None, 0.9, 40, 0.3)
    >>> [point.nprobe for point in optimal_points([a, b, c])]
    [1, 4]
    """
    import faiss

    operating_points: Any = faiss.OperatingPoints()
    for number, point in enumerate(points):
        operating_points.add(point.recall, point.ms, faiss_setting(point.nprobe, point.k_factor), number)
    best: Any = operating_points.optimal_pts
    numbers = [best.at(i).cno for i in range(best.size())]
    return [points[number] for number in numbers if number >= 0]


def fastest_with_recall(points: Sequence[Point], recall: float) -> Point | None:
    """Return the fastest point with at least this recall; None if there is none."""
    return min((point for point in points if point.recall >= recall), key=lambda point: point.ms, default=None)


def best_within_time(points: Sequence[Point], ms: float) -> Point | None:
    """Return the point with the highest recall in at most ``ms`` milliseconds; None if there is none."""
    return max((point for point in points if point.ms <= ms), key=lambda point: (point.recall, -point.ms), default=None)

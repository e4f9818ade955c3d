"""Find settings that reach a target, and what to train if none does."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from poeem.evaluation.scorers import FloatScorer
from poeem.explain.explain import check_vectors, with_neighbours
from poeem.explain.measures import NEIGHBOURS, available_measures
from poeem.explain.options import SampleOptions
from poeem.explain.target.list_counts import ListCount, try_list_counts
from poeem.explain.target.operating_curve import (
    Point,
    best_within_time,
    fastest_with_recall,
    operating_points,
    optimal_points,
)
from poeem.explain.target.quick_fits import Fit, four_bit_spec, quick_fits, specs_of_size, try_larger_codes
from poeem.explain.target.target import BYTES, LATENCY, RECALL, Target
from poeem.explain.workload import Workload, sample_workload

# Flat indexes of fewer items need no lists.
_WORTH_LISTS = 10_000
# Share of the neighbours that the visited lists must hold for a latency target.
_HELD = 0.95


@dataclass(frozen=True)
class Reached:
    """The result of :func:`poeem.explain.explain_target`.

    Args:
        name, spec, metric, bytes_per_vector: facts about the index.
        target: the target.
        k: neighbours per query.
        items, queries: numbers of items and queries measured; ``catalogue``: number of items before sampling.
        reached: whether a setting of the search reaches the target (``bytes``: whether a structure of that size
            exists).
        choice: the setting to search with, if float vectors may re-rank; ``by_codes``: the setting without re-ranking.
        points: all measured settings; ``curve``: those that no other beats in recall and time, the fastest first.
        fits: structures fitted to a sample; ``best``: the best of them.
        retrain: what to train: ``bytes``, ``spec``, ``extrapolated``, see `try_larger_codes`; None if not needed.
        lists: numbers of lists that were tried; ``nlist``: the one that compares the fewest vectors.
        notes: sentences.
        seconds: duration.
    """

    name: str
    spec: str
    metric: str
    bytes_per_vector: int
    target: Target
    k: int
    items: int
    catalogue: int
    queries: int
    reached: bool
    choice: Point | None = None
    by_codes: Point | None = None
    curve: list[Point] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)
    best: Fit | None = None
    retrain: dict[str, Any] | None = None
    lists: list[ListCount] = field(default_factory=list)
    nlist: ListCount | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self) | {"target": {self.target.name: self.target.value}}


def reach(workload: Workload, target: Target, options: SampleOptions) -> Reached:
    """Find settings of a workload's index that reach a target. See :func:`poeem.explain.explain_target`."""
    began = time.perf_counter()
    workload = sample_workload(workload, options)
    if check_vectors(workload, options.seed) is not workload.bundle:
        raise ValueError("the index has lost its rotation: fix that first, as poeem explain without --target says")
    index_metric, metric = workload.bundle.metric, options.metric or workload.bundle.metric
    # An engine may return every item it holds.
    queries = with_neighbours(FloatScorer(workload.items, metric), workload.queries, None, options.k)
    workload = replace(workload, available=None, queries=queries)
    spec = workload.bundle.spec
    result = Reached(
        name=workload.name,
        spec=str(spec),
        metric=index_metric,
        bytes_per_vector=spec.bytes_per_vector,
        target=target,
        k=options.k,
        items=len(workload.items),
        catalogue=workload.catalogue,
        queries=len(queries),
        reached=False,
        notes=list(workload.notes),
    )
    if metric != index_metric:
        result.notes.append(
            f"fits and lists are made for {metric}, as exact search is; the index is for {index_metric}"
        )
    # Fits and lists are for the metric of exact search.
    for_metric = replace(workload, bundle=replace(workload.bundle, metric=metric))
    if target.name == BYTES:
        result = _reach_size(for_metric, result, options)
    else:
        result = _reach_by_search(workload, for_metric, result, options)
    if workload.sampled:
        result.notes.append(
            f"measured on {len(workload.items):,} of {workload.catalogue:,} items: on all of them searches take longer "
            "and recall is lower; --max-items takes more"
        )
    return replace(result, seconds=time.perf_counter() - began)


def _reach_by_search(workload: Workload, for_metric: Workload, result: Reached, options: SampleOptions) -> Reached:
    target = result.target
    points, notes = operating_points(workload, options)
    code_points = [point for point in points if point.k_factor is None]
    changes: dict[str, Any] = {"points": points, "curve": optimal_points(points), "notes": [*result.notes, *notes]}
    select = fastest_with_recall if target.name == RECALL else best_within_time
    choice, by_codes = select(points, target.value), select(code_points, target.value)
    if target.name == RECALL and by_codes is None:
        changes["fits"], changes["retrain"] = try_larger_codes(for_metric, target.value, options)
    faster = four_bit_spec(workload.bundle.spec, workload)
    if target.name == LATENCY and choice is None and faster is not None:
        changes["fits"] = quick_fits(for_metric, [workload.bundle.spec, faster], options)
        changes["notes"].append(f"{faster} has as many bytes, and faiss scans its codes by SIMD, several times as fast")
    if len(workload.items) >= _WORTH_LISTS or workload.bundle.spec.nlist:
        options.log("fitting lists")
        share = target.value if target.name == RECALL else _HELD
        changes["lists"] = try_list_counts(for_metric, share, options.seed)
        changes["nlist"] = min(changes["lists"], key=lambda count: count.compared, default=None)
    return replace(result, reached=choice is not None, choice=choice, by_codes=by_codes, **changes)


def _reach_size(workload: Workload, result: Reached, options: SampleOptions) -> Reached:
    spec = workload.bundle.spec
    specs = specs_of_size(int(result.target.value), spec.nlist)
    fits = quick_fits(workload, specs if spec in specs else [*specs, spec], options)
    measure = available_measures(workload.queries)[0]
    of_size = [fit for fit in fits if fit.bytes_per_vector == result.target.value]
    best = max(of_size, key=lambda fit: (fit.recall[measure], fit.recall[NEIGHBOURS]), default=None)
    return replace(result, reached=best is not None, fits=fits, best=best)

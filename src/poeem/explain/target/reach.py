"""How to reach a target: what to search with, or else what to train."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from poeem.evaluation.scorers import FloatScorer
from poeem.explain.explain import MAX_QUERIES, K, checked, sampled
from poeem.explain.query_set import NEIGHBOURS, nearest
from poeem.explain.target.curve import Point, best_within, cheapest, operating_points, optimal
from poeem.explain.target.retrain import Fit, Lists, larger_codes, lists_for, of_bytes, quick_fits
from poeem.explain.target.target import BYTES, RECALL, Target
from poeem.explain.workload import Workload

# Of all items, where memory allows: times of a sample would not be those of the catalogue.
MAX_ITEMS = 1_000_000
# Lists matter from here on.
_WORTH_LISTS = 10_000
# Of the neighbours that visited lists must hold where only a latency is wanted.
_HELD = 0.95


@dataclass(frozen=True)
class Reached:
    """How a target is reached, or what stands in the way.

    Args:
        name, spec, metric, bytes_per_vector: of the case.
        target: what is wanted.
        k: neighbours wanted.
        items, catalogue, queries: measured with; that there are.
        reached: whether it can be, by searching otherwise (``bytes``: whether there is a structure of that size).
        choice: the setting to search with, vectors at hand; ``by_codes`` without them.
        curve: settings that no other beats, the fastest first; ``points`` all that were tried.
        fits: structures fitted to a sample; ``best`` of them.
        retrain: what a training should take: ``bytes``, ``spec``, ``extrapolated``.
        lists: numbers of lists that were tried; ``nlist`` the one that compares least.
        notes: sentences.
        seconds: that it took.
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
    lists: list[Lists] = field(default_factory=list)
    nlist: Lists | None = None
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"target": {self.target.name: self.target.value}}


def reach(
    case: Workload,
    target: Target,
    *,
    metric: str | None = None,
    k: int = K,
    max_items: int = MAX_ITEMS,
    max_queries: int = MAX_QUERIES,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Reached:
    """As :func:`poeem.explain.explain_target`, for a case that has been read."""
    began = time.perf_counter()
    case = sampled(case, k=k, max_items=max_items, max_queries=max_queries, seed=seed)
    if checked(case, seed) is not case.bundle:
        raise ValueError("the index has lost its rotation: fix that first, as poeem explain without --target says")
    # An engine returns whatever it holds.
    case = dataclasses.replace(case, available=None)
    wanted = metric or case.bundle.metric
    neighbours = nearest(FloatScorer(case.items, wanted), case.asked, None, k)
    case = dataclasses.replace(case, asked=dataclasses.replace(case.asked, neighbours=neighbours))
    spec = case.bundle.spec
    # What would be trained, would be for the metric that is wanted.
    trained = dataclasses.replace(case, bundle=dataclasses.replace(case.bundle, metric=wanted))
    said = Reached(
        name=case.name,
        spec=str(spec),
        metric=case.bundle.metric,
        bytes_per_vector=spec.bytes_per_vector,
        target=target,
        k=k,
        items=len(case.items),
        catalogue=case.catalogue,
        queries=len(case.asked),
        reached=False,
        notes=list(case.notes),
    )
    if wanted != case.bundle.metric:
        said.notes.append(
            f"fits and lists are made for {wanted}, by which exact search is; the index is for {said.metric}"
        )
    by_size = target.name == BYTES
    found = _by_size(trained, said, seed, tell) if by_size else _by_search(case, trained, said, seed, tell)
    if case.sampled:
        found.notes.append(
            f"measured on {len(case.items):,} of {case.catalogue:,} items: all of them take longer and recall is "
            "lower; --max-items takes more"
        )
    return dataclasses.replace(found, seconds=time.perf_counter() - began)


def _by_search(case: Workload, trained: Workload, said: Reached, seed: int, tell: Callable[[str], None]) -> Reached:
    points, notes = operating_points(case, said.k, tell=tell)
    codes = [point for point in points if point.k_factor is None]
    changes: dict[str, Any] = {"points": points, "curve": optimal(points), "notes": [*said.notes, *notes]}
    wants_recall = said.target.name == RECALL
    if wants_recall:
        choice, by_codes = cheapest(points, said.target.value), cheapest(codes, said.target.value)
        if by_codes is None:
            changes["fits"], changes["retrain"] = larger_codes(trained, said.target.value, said.k, seed=seed, tell=tell)
    else:
        choice, by_codes = best_within(points, said.target.value), best_within(codes, said.target.value)
    if len(case.items) >= _WORTH_LISTS or case.bundle.spec.nlist:
        tell("fitting lists")
        changes["lists"] = lists_for(trained, said.target.value if wants_recall else _HELD, seed)
        changes["nlist"] = min(changes["lists"], key=lambda one: one.compared, default=None)
    return dataclasses.replace(said, reached=choice is not None, choice=choice, by_codes=by_codes, **changes)


def _by_size(case: Workload, said: Reached, seed: int, tell: Callable[[str], None]) -> Reached:
    spec = case.bundle.spec
    wanted = of_bytes(int(said.target.value), spec.nlist)
    fits = quick_fits(case, [*wanted, *([] if spec in wanted else [spec])], said.k, seed=seed, tell=tell)
    measure = case.asked.measures[0]
    of_size = [fit for fit in fits if fit.bytes_per_vector == said.target.value]
    best = max(of_size, key=lambda fit: (fit.recall[measure], fit.recall[NEIGHBOURS]), default=None)
    return dataclasses.replace(said, reached=best is not None, fits=fits, best=best)

"""Run a benchmark: build and measure each method at each size with each seed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.baselines.rescored import rescored
from poeem.bench.measure import measure, measure_engine
from poeem.bench.method import Method
from poeem.bench.methods import check_methods
from poeem.bench.problem import Problem
from poeem.bench.speed import queries_per_second
from poeem.bench.store import Record, Store
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer, prepared
from poeem.layers.checks import check_count
from poeem.metric import check_metric
from poeem.training.frozen.top_items import blocks, top_items

DEPTH = 100


@dataclass(frozen=True)
class Measurement:
    """The settings of a benchmark.

    Args:
        sizes: bytes per vector.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seeds: seeds of the methods that use random numbers.
        nlist: inverted lists of the methods that can have them; 0 is a flat index.
        nprobe: lists visited per query, one record each; None takes powers of two up to ``nlist``.
        rescore: numbers of candidates per query that are re-ranked by float vectors, one record each; 0: no re-ranking.
        speed: whether to measure queries per second, and with lists also the recall of the engine.
    """

    sizes: Sequence[int] = (4, 8, 16, 32)
    metric: str = "ip"
    seeds: Sequence[int] = (0,)
    nlist: int = 0
    nprobe: Sequence[int] | None = None
    rescore: Sequence[int] = (0,)
    speed: bool = True


def run_bench(
    problem: Problem,
    methods: Iterable[str],
    out: str | Path,
    *,
    command: str | None = None,
    log: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Store:
    """Build and measure each method at each size with each seed. Combinations already recorded in ``out`` are skipped.

    Args:
        problem: items and queries.
        methods: names in :data:`poeem.bench.methods.METHODS`. Exact float search is added.
        out: folder of the records.
        command: the command line, stored with the records.
        log: called with one line per combination.
        options: fields of :class:`Measurement`, by name.
    Returns:
        the store with all records.
    Raises:
        ValueError: a method is unknown or cannot be built on this problem, or ``out`` has records of other settings.
    """
    measurement = Measurement(**options)
    metric, nlist, speed = measurement.metric, measurement.nlist, measurement.speed
    check_metric(metric)
    chosen = check_methods(methods)
    sizes, seeds = _check_numbers(measurement.sizes, "bytes", 1), _check_numbers(measurement.seeds, "seeds", 0)
    check_count("nlist", nlist)
    for method in chosen:
        method.check(problem, sizes, nlist)
    if nlist > len(problem.items):
        raise ValueError(f"nlist (={nlist}) must be at most the number of items (={len(problem.items)})")
    probes, depths = _probes(nlist, measurement.nprobe), _check_numbers(measurement.rescore, "rescore", 0)
    settings = {
        "problem": problem.facts,
        "metric": metric,
        "nlist": nlist,
        "nprobe": probes,
        "rescore": depths[0] if len(depths) == 1 else depths,
    }
    store = Store(Path(out), settings, {**_environment(), **({"command": command} if command else {})})
    cells = [
        (method, size, seed)
        for method, size, seed in _cells(chosen, sizes, seeds)
        if not store.has(method.name, size, seed if method.seeded else None)
    ]
    if not cells:
        return store
    # `evaluate` masks items of the history and finds the neighbours itself.
    neighbours = None if problem.run_queries is not None else _neighbours(problem, metric)
    for number, (method, size, seed) in enumerate(cells, start=1):
        began = time.perf_counter()
        built = method.build(problem, n_bytes=size or 0, nlist=nlist, metric=metric, seed=seed)
        queries, items = built.vectors or (problem.queries, problem.items)
        # The engine's own recall is measured with lists only.
        engine_neighbours = neighbours if nlist else None
        records = []
        # Exact scores are not re-ranked.
        own_depths = depths if method.name != "float" else [0]
        for nprobe, depth in itertools.product(probes if _nlist(built) else [None], own_depths):
            searched = built if nprobe is None else built.with_nprobe(nprobe)
            searched = rescored(searched, items, depth, metric=metric) if depth else searched
            records.append(
                {
                    "method": method.name,
                    "structure": searched.structure,
                    "bytes_asked": size,
                    "bytes_per_vector": searched.bytes_per_vector,
                    "seed": seed,
                    "nlist": _nlist(built),
                    "nprobe": nprobe,
                    "rescore": depth,
                    **_recall(searched, problem, queries, items, neighbours, metric),
                    "scanned": _scanned(built, nprobe, queries, len(items)),
                    "build_seconds": searched.build_seconds,
                    **(_speed(searched, problem, queries, metric, engine_neighbours) if speed else {"qps": None}),
                }
            )
        store.append(records)
        log(_line(records[-1], number, len(cells), time.perf_counter() - began))
    return store


def _neighbours(problem: Problem, metric: str) -> np.ndarray:
    """Rows of the 10 items nearest to each query by exact float scores."""
    queries, items = (prepared(x, metric, name) for x, name in ((problem.queries, "queries"), (problem.items, "items")))
    return top_items(queries, blocks(items), min(10, len(items)), metric=metric)[1]


def _recall(
    built: Baseline,
    problem: Problem,
    queries: np.ndarray,
    items: np.ndarray,
    neighbours: np.ndarray | None,
    metric: str,
) -> dict[str, Any]:
    """Recall of the relevant items and of the nearest items, with the other metrics."""
    if problem.run_queries is not None:
        return evaluate(
            built.scorer, problem.run_queries, queries, exact_items=items, metric=metric, available=problem.available
        )
    assert neighbours is not None
    return measure(built.scorer, queries, neighbours, problem.relevant)


def _scanned(built: Baseline, nprobe: int | None, queries: np.ndarray, n: int) -> float:
    """Codes scanned per query, mean over the queries."""
    if nprobe is None or not isinstance(built.scorer, DecodedScorer):
        return float(n)
    return float(built.scorer.with_nprobe(nprobe).scanned(queries).mean())


def _cells(methods: Iterable[Method], sizes: list[int], seeds: list[int]) -> list[tuple[Method, int | None, int]]:
    """All cells, seed by seed: a benchmark that is stopped early has all methods with fewer seeds."""
    return [
        (method, size, seed)
        for seed in seeds
        for method in methods
        if method.seeded or seed == seeds[0]
        for size in ([None] if method.own_bytes else sizes)
    ]


def _nlist(built: Baseline) -> int:
    scorer = built.scorer
    return len(scorer.coarse) if isinstance(scorer, DecodedScorer) and scorer.coarse is not None else 0


def _probes(nlist: int, nprobe: Sequence[int] | None) -> list[int]:
    if not nlist:
        if nprobe:
            raise ValueError(f"nprobe (={','.join(map(str, nprobe))}) needs inverted lists; give nlist too")
        return []
    if nprobe is None:
        powers = [2**power for power in range(nlist.bit_length()) if 2**power < nlist]
        return [*powers, nlist]
    return _check_numbers(nprobe, "nprobe", 1, nlist)


def _check_numbers(values: Sequence[int], name: str, least: int, most: int | None = None) -> list[int]:
    values = list(values)
    wrong = not values or len(set(values)) < len(values) or min(values) < least
    if wrong or (most is not None and max(values) > most):
        limits = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} (={','.join(map(str, values))}) must be different whole numbers, {limits}")
    return sorted(values)


def _speed(
    built: Baseline, problem: Problem, queries: np.ndarray, metric: str, neighbours: np.ndarray | None
) -> dict[str, float | None]:
    """Queries per second, and with ``neighbours`` the recall of the engine, which masks nothing."""
    if built.index is None:
        return {"qps": None}
    queries = prepared(queries, metric, "queries")
    speed = queries_per_second(built.index, queries[:2000], min(DEPTH, len(problem.items)))
    recall = {} if neighbours is None else measure_engine(built.index, queries, neighbours, problem.relevant)
    return {"qps": speed, **recall}


def _environment() -> dict[str, Any]:
    import torch

    from poeem.training.environment import environment

    try:
        scann = version("scann")
    except PackageNotFoundError:
        scann = None
    return environment(torch.device("cpu")) | {"scann": scann}


def _line(record: Record, number: int, cells: int, seconds: float) -> str:
    metric = "recall@100" if "recall@100" in record else "neighbour_recall@10"
    return (
        f"[{number}/{cells}] {record['method']}, {record['bytes_per_vector']} bytes, seed {record['seed']}: "
        f"{metric} {record[metric]:.4f} ({seconds:.0f} s)"
    )

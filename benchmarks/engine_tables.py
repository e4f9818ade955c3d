"""The tables of docs/numbers.md on engines, each figure beside what it must be, from `benchmarks/results`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from blocks import row, rule
from results_of import mean, runs

Run = dict[str, Any]


def engine_tables() -> list[str]:
    """What engines score, what their own checks say, how long export and search take, and what a bundle survives."""
    return [*_agreement(), *_checks(), *_export(), *_search(), *_life()]


def _agreement() -> list[str]:
    found = runs("engines-*.json")
    if not found:
        return []
    of_engine = _grouped((one for run in found for one in run["rows"]), "engine")
    title = (
        f"**Engines against the reference: {found[0]['items']:,} GloVe words, 10 bytes, 3 metrics, flat and IVF64, "
        f"with and without rotation, 8 and 4 bits, PQ and RQ; the worst case{_seeds(found)}**"
    )
    lines = [title, "", row("", "cases", "", "worst", "must"), rule(5)]
    for engine, cases in of_engine.items():
        measures: list[tuple[str, str, str, Callable[[Iterable[float]], float]]] = [
            ("worst_score_error", "relative score error", "1e-5 at most", max),
            ("same_ranks", "same ranks of the best 1,000", "100 %", min),
            ("top_10_in_50", "exact top 10 in the engine's top 50", "99.9 % at least", min),
        ]
        for key, what, must, worst in measures:
            if key in cases[0]:
                value = worst(case[key] for case in cases)
                shown = f"{value:.1e}" if key == "worst_score_error" else f"{100 * value:.4g} %"
                lines.append(row(engine, len(cases), what, shown, must))
    return ["\n".join(lines)]


def _checks() -> list[str]:
    found = runs("contrib-*.json")
    if not found:
        return []
    title = (
        "**Checks that faiss and Lance bring, unmodified, on our files and on indexes that they trained themselves "
        f"({found[0]['items']:,} GloVe words; cases that pass, of all){_seeds(found)}**"
    )
    lines = [title, "", row("check", "metric", "our file", "their own index", "must"), rule(5)]
    by_check = _grouped((one for run in found for one in run["rows"]), "check", "metric")
    for (check, metric), cases in by_check.items():
        passed = [f"{sum(one[side] == 'pass' for one in cases)} of {len(cases)}" for side in ("ours", "stock")]
        lines.append(row(f"`{check}`", metric, *passed, "all of ours"))
    return ["\n".join(lines)]


def _export() -> list[str]:
    found = runs("export_speed-*.json")
    if not found:
        return []
    title = (
        f"**{found[0]['rows']:,} items x 64: time of the engine's own train + add / ours, one thread{_seeds(found)}**"
    )
    lines = [title, "", row("", "export, self-check included", "must", "encode, bundle and export"), rule(4)]
    for engine, must in (("faiss", "10 at least"), ("lance", "2 at least")):
        ratios = [
            mean((run["engines"][engine][key] for run in found if engine in run["engines"]), 1)
            for key in ("export_ratio", "encode_and_export_ratio")
        ]
        spec = found[0]["engines"][engine]["spec"]
        lines.append(row(f"{engine}, `{spec}`", ratios[0], must, ratios[1]))
    return ["\n".join(lines)]


def _search() -> list[str]:
    found = runs("search_overhead-*.json")
    if not found:
        return []
    first = found[0]
    title = (
        f"**Search through our opened index / calling the engine directly ({first['items']:,} GloVe words, nprobe "
        f"{first['nprobe']}, k {first['k']}), median time, one thread{_seeds(found)}**"
    )
    lines = [title, "", row("", "batch", "direct, ms", "ours / direct", "must"), rule(5)]
    by_case = _grouped((one for run in found for one in run["rows"]), "engine", "spec", "batch")
    for (engine, spec, batch), of_case in by_case.items():
        direct = f"{statistics.fmean(one['direct_ms'] for one in of_case):.3f}"
        ratio = mean((one["ratio"] for one in of_case), 2)
        lines.append(row(f"{engine}, `{spec}`", batch, direct, ratio, "1.10 at most"))
    return ["\n".join(lines)]


def _life() -> list[str]:
    found = runs("life_cycle-*.json")
    if not found:
        return []
    title = f"**Random additions, replacements and deletions of single items, held against a dict{_seeds(found)}**"
    lines = [title, "", row("steps", "kills", "items at the end", "differences", "must"), rule(5)]
    for run in found:
        rows = f"{run['rows']['last']:,}"
        lines.append(row(f"{run['steps']:,}", run["kills"], rows, run["differences"], "0"))
    return ["\n".join(lines)]


def _grouped(rows: Iterable[Run], *keys: str) -> dict[Any, list[Run]]:
    groups: dict[Any, list[Run]] = {}
    for one in rows:
        groups.setdefault(one[keys[0]] if len(keys) == 1 else tuple(one[key] for key in keys), []).append(one)
    return groups


def _seeds(found: list[Run]) -> str:
    return f"; seeds: {len(found)}"

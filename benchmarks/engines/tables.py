"""Tables of the subject *engines*: each figure beside the value it must reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean


def engines(results: Results) -> str:
    """Agreement with the reference, the engines' own checks, time of export and search, the life cycle of a bundle."""
    parts = {
        "engines": agreement,
        "contrib": stock_checks,
        "export_speed": export_speed,
        "search_overhead": search_overhead,
        "life_cycle": life_cycle,
    }
    return "\n\n".join(build(runs) for name, build in parts.items() if (runs := results.runs(name)))


def agreement(runs: list[Run]) -> str:
    """The worst case of every engine."""
    measures: tuple[tuple[str, str, str, Callable[[Iterable[float]], float]], ...] = (
        ("worst_score_error", "relative score error", "1e-5 at most", max),
        ("same_ranks", "same ranks of the best 1,000", "100 %", min),
        ("top_10_in_50", "exact top 10 in the engine's top 50", "99.9 % at least", min),
    )
    lines = []
    for (engine,), cases in _groups(runs, "engine").items():
        for key, measure, must, worst in measures:
            if key in cases[0]:
                value = worst(case[key] for case in cases)
                shown = f"{value:.1e}" if key == "worst_score_error" else f"{100 * value:.4g} %"
                lines.append((engine, len(cases), measure, shown, must))
    title = (
        f"Engines against the reference: {runs[0]['settings']['items']:,} GloVe words, 10 bytes, 3 metrics, flat and "
        f"IVF64, with and without rotation, 8 and 4 bits, PQ and RQ; the worst case{_seeds(runs)}"
    )
    return table(title, ("", "cases", "", "worst", "must"), lines)


def stock_checks(runs: list[Run]) -> str:
    """Cases that pass the checks of faiss and Lance."""
    lines = []
    for (check, metric), cases in _groups(runs, "check", "metric").items():
        passed = [f"{sum(case[side] == 'pass' for case in cases)} of {len(cases)}" for side in ("ours", "stock")]
        lines.append((f"`{check}`", metric, *passed, "all of ours"))
    title = (
        "Checks of faiss and Lance, unmodified, on our files and on indexes that they trained themselves "
        f"({runs[0]['settings']['items']:,} GloVe words; cases that pass, of all){_seeds(runs)}"
    )
    return table(title, ("check", "metric", "our file", "their own index", "must"), lines)


def export_speed(runs: list[Run]) -> str:
    """Time of the engine's own train and add / ours."""
    lines = []
    for engine, must in (("faiss", "10 at least"), ("lance", "2 at least")):
        rows = [run["rows"][engine] for run in runs if engine in run["rows"]]
        export, total = (mean((row[key] for row in rows), 1) for key in ("export_ratio", "encode_and_export_ratio"))
        lines.append((f"{engine}, `{rows[0]['spec']}`", export, must, total))
    items = runs[0]["settings"]["items"]
    title = f"{items:,} items x 64: time of the engine's own train + add / ours, one thread{_seeds(runs)}"
    return table(title, ("", "export, self-check included", "must", "encode, bundle and export"), lines)


def search_overhead(runs: list[Run]) -> str:
    """Median time of our search / that of the engine."""
    lines = []
    for (engine, spec, batch), cases in _groups(runs, "engine", "spec", "batch").items():
        direct = f"{statistics.fmean(case['direct_ms'] for case in cases):.3f}"
        ratio = mean((case["ratio"] for case in cases), 2)
        lines.append((f"{engine}, `{spec}`", batch, direct, ratio, "1.10 at most"))
    facts = runs[0]["settings"]
    title = (
        f"Search through our opened index / calling the engine directly ({facts['items']:,} GloVe words, nprobe "
        f"{facts['nprobe']}, k {facts['k']}), median time, one thread{_seeds(runs)}"
    )
    return table(title, ("", "batch", "direct, ms", "ours / direct", "must"), lines)


def life_cycle(runs: list[Run]) -> str:
    """Differences between a bundle and a dict after random changes and kills."""
    lines = []
    for run in runs:
        facts, row = run["settings"], run["rows"]["life cycle"]
        lines.append((f"{facts['steps']:,}", facts["kills"], f"{row['rows']['last']:,}", row["differences"], "0"))
    title = f"Random additions, replacements and deletions of single items, compared with a dict{_seeds(runs)}"
    return table(title, ("steps", "kills", "items at the end", "differences", "must"), lines)


def _groups(runs: list[Run], *facts: str) -> dict[tuple[object, ...], list[Run]]:
    """The rows of all seeds by some of their facts."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        for row in run["rows"].values():
            groups.setdefault(tuple(row[fact] for fact in facts), []).append(row)
    return groups


def _seeds(runs: list[Run]) -> str:
    return f"; seeds: {len(runs)}"

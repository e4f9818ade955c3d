"""Format the result for a target as text: tables and sentences."""

from __future__ import annotations

from typing import Any

from poeem.evaluation.intervals import few_queries_note
from poeem.explain.measures import LABELS, NEIGHBOURS
from poeem.explain.target.operating_curve import Point
from poeem.explain.target.quick_fits import Fit
from poeem.explain.target.reach import Reached
from poeem.explain.target.target import BYTES, RECALL
from poeem.explain.text import Table, part_of


def title(result: Reached) -> str:
    """Return a line with the index, the numbers of items and queries, and the target."""
    items = f"{part_of(result.items, result.catalogue)} items"
    return (
        f"{result.name}: {result.spec} ({result.metric}, {result.bytes_per_vector} bytes), {items}, "
        f"{result.queries:,} queries; target {result.target.name} {result.target.value:g}"
    )


def tables(result: Reached) -> list[Table]:
    """Return the tables of the operating curve, the fitted structures and the numbers of lists, those that exist."""
    return [
        *([_curve_table(result)] if result.curve else []),
        *([_fit_table(result)] if result.fits else []),
        *([_list_table(result)] if result.lists else []),
    ]


def _curve_table(result: Reached) -> Table:
    rows = [
        [
            "->" if point == result.choice else "",
            "" if point.nprobe is None else str(point.nprobe),
            "none" if point.k_factor is None else str(point.k_factor),
            point.shown,
            f"{point.scanned:,.0f}",
            f"{point.ms:.3f}",
        ]
        for point in result.curve
    ]
    columns = ("", "nprobe", "k_factor", f"neighbour_recall@{result.k}", "codes scanned", "ms per query")
    return Table("Operating curve (single queries, one thread)", columns, rows)


def _fit_table(result: Reached) -> Table:
    names = _measure_names(result)
    rows = [
        [
            "->" if fit == result.best else "",
            fit.spec,
            str(fit.bytes_per_vector),
            *(fit.shown(measure) for measure in fit.recall),
            f"{fit.seconds:.1f}",
        ]
        for fit in result.fits
    ]
    columns = ("", "spec", "bytes", *(names[measure] for measure in result.fits[0].recall), "fit s")
    return Table("Quick fits on a sample, all lists visited", columns, rows)


def _list_table(result: Reached) -> Table:
    rows = [
        ["->" if count == result.nlist else "", str(count.nlist), str(count.nprobe), f"{count.compared:,.0f}"]
        for count in result.lists
    ]
    columns = ("", "nlist", "nprobe needed", "centroids and codes compared")
    return Table("Lists by k-means, float vectors in them", columns, rows)


def sentences(result: Reached) -> list[str]:
    """Return sentences that say what to do, and notes."""
    lines = _size_sentences(result) if result.target.name == BYTES else _search_sentences(result)
    few = few_queries_note([{"queries": measured.queries} for measured in (*result.points, *result.fits)])
    return [*lines, *([few] if few else []), *(f"Note: {note}." for note in result.notes)]


def _size_sentences(result: Reached) -> list[str]:
    size = int(result.target.value)
    if result.best is None:
        return [
            f"No structure of {size} bytes suits these vectors: M must divide the width, and there must be at least as "
            "many items as codewords."
        ]
    now = next((fit for fit in result.fits if fit.spec == result.spec), None)
    than = f"; {result.spec}, fitted in the same way, has {_recall(now, result)}" if now and now != result.best else ""
    return [
        f"Best of {size} bytes: {result.best.spec}, {_recall(result.best, result)}{than}. These are plain fits on "
        "a sample: poeem train or poeem fit with that index reach more."
    ]


def _search_sentences(result: Reached) -> list[str]:
    target, lines = result.target, []
    goal = f"a recall of {target.value:g}" if target.name == RECALL else f"{target.value:g} ms per query"
    if result.choice is None:
        by_recall = max(result.points, key=lambda point: point.recall)
        nearest = by_recall if target.name == RECALL else min(result.points, key=lambda point: point.ms)
        lines.append(f"No setting reaches {goal}; nearest: {_point(nearest)}.")
    else:
        lines.append(f"Search with {_point(result.choice)}{_command(result.choice)}.")
        if result.by_codes is not None and result.by_codes != result.choice:
            lines.append(f"By codes alone: {_point(result.by_codes)}.")
        elif result.by_codes is None:
            code_points = [point for point in result.points if point.k_factor is None]
            best = max(code_points, key=lambda point: point.recall)
            lines.append(f"Codes alone do not reach {goal}; the best: {_point(best)}.")
    if result.retrain is not None:
        lines.append(_retrain(result.retrain))
    if result.nlist is not None:
        lines.append(
            f"IVF{result.nlist.nlist} compares the fewest vectors: with nprobe {result.nlist.nprobe}, "
            f"{result.nlist.compared:,.0f} centroids and codes per query (quick k-means, float vectors in the lists)."
        )
    return lines


def _retrain(retrain: dict[str, Any]) -> str:
    if retrain["spec"] is not None:
        return (
            f"Train {retrain['spec']} ({retrain['bytes']} bytes): a quick fit of it to a sample reaches the recall by "
            "codes alone, all lists visited."
        )
    if retrain["bytes"] is None:
        return "More bytes alone do not reach it on a sample: re-rank candidates by vectors."
    return (
        f"Codes alone would need about {retrain['bytes']} bytes per vector, extrapolated from the quick fits: re-rank "
        "candidates by vectors instead."
    )


def _point(point: Point) -> str:
    parts = [] if point.nprobe is None else [f"nprobe {point.nprobe}"]
    parts.append("no refining" if point.k_factor is None else f"refining by k_factor {point.k_factor}")
    return f"{', '.join(parts)}: recall {point.shown} in {point.ms:.3f} ms, {point.scanned:,.0f} codes scanned"


def _command(point: Point) -> str:
    nprobe = "" if point.nprobe is None else f" --nprobe {point.nprobe}"
    refine = "" if point.k_factor is None else f" --refine flat --vectors V.npy --k-factor {point.k_factor}"
    return f" (poeem export DIR --out FILE{nprobe}{refine})"


def _measure_names(result: Reached) -> dict[str, str]:
    return {LABELS: "recall@100", NEIGHBOURS: f"neighbour_recall@{result.k}"}


def _recall(fit: Fit, result: Reached) -> str:
    names = _measure_names(result)
    return ", ".join(f"{names[measure]} {fit.shown(measure)}" for measure in fit.recall)

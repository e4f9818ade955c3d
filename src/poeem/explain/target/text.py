"""How to reach a target, for people."""

from __future__ import annotations

from poeem.evaluation.intervals import few_queries_note
from poeem.explain.query_set import LABELS, NEIGHBOURS
from poeem.explain.target.curve import Point
from poeem.explain.target.reach import Reached
from poeem.explain.target.retrain import Fit
from poeem.explain.target.target import BYTES, RECALL
from poeem.explain.text import Table, of


def title(found: Reached) -> str:
    """What is wanted of what."""
    items = f"{of(found.items, found.catalogue)} items"
    return (
        f"{found.name}: {found.spec} ({found.metric}, {found.bytes_per_vector} bytes), {items}, {found.queries:,} "
        f"queries; target {found.target.name} {found.target.value:g}"
    )


def tables(found: Reached) -> list[Table]:
    """The curve, structures and lists, as far as there are any."""
    made = []
    if found.curve:
        rows = [
            [
                "->" if point == found.choice else "",
                "" if point.nprobe is None else str(point.nprobe),
                "none" if point.k_factor is None else str(point.k_factor),
                point.shown,
                f"{point.scanned:,.0f}",
                f"{point.ms:.3f}",
            ]
            for point in found.curve
        ]
        columns = ("", "nprobe", "k_factor", f"neighbour_recall@{found.k}", "codes scanned", "ms a query")
        made.append(Table("Operating curve (single queries, one thread)", columns, rows))
    if found.fits:
        names = {LABELS: "recall@100", NEIGHBOURS: f"neighbour_recall@{found.k}"}
        rows = [
            [
                "->" if fit == found.best else "",
                fit.spec,
                str(fit.bytes_per_vector),
                *(fit.shown(measure) for measure in fit.recall),
                f"{fit.seconds:.1f}",
            ]
            for fit in found.fits
        ]
        columns = ("", "spec", "bytes", *(names[measure] for measure in found.fits[0].recall), "fit s")
        made.append(Table("Quick fits on a sample, all lists visited", columns, rows))
    if found.lists:
        rows = [
            ["->" if one == found.nlist else "", str(one.nlist), str(one.nprobe), f"{one.compared:,.0f}"]
            for one in found.lists
        ]
        columns = ("", "nlist", "nprobe needed", "centroids and codes compared")
        made.append(Table("Lists by k-means, float vectors in them", columns, rows))
    return made


def sentences(found: Reached) -> list[str]:
    """What to do, and notes."""
    lines = _size(found) if found.target.name == BYTES else _search(found)
    few = few_queries_note([{"queries": one.queries} for one in (*found.points, *found.fits)])
    return [*lines, *([few] if few else []), *(f"Note: {note}." for note in found.notes)]


def _size(found: Reached) -> list[str]:
    size = int(found.target.value)
    if found.best is None:
        return [f"No structure of {size} bytes suits these vectors: M must divide the width, and words need items."]
    now = next((fit for fit in found.fits if fit.spec == found.spec), None)
    than = f"; {found.spec} fitted alike has {_recall(now, found)}" if now and now != found.best else ""
    return [
        f"Best of {size} bytes: {found.best.spec}, {_recall(found.best, found)}{than}. These are plain fits on "
        "a sample: poeem train or poeem fit with that index reach more."
    ]


def _search(found: Reached) -> list[str]:
    target, lines = found.target, []
    what = f"a recall of {target.value:g}" if target.name == RECALL else f"{target.value:g} ms a query"
    if found.choice is None:
        best = max(found.points, key=lambda point: point.recall)
        near = best if target.name == RECALL else min(found.points, key=lambda point: point.ms)
        lines.append(f"No setting reaches {what}; nearest: {_point(near)}.")
    else:
        lines.append(f"Search with {_point(found.choice)}{_how(found.choice)}.")
        if found.by_codes is not None and found.by_codes != found.choice:
            lines.append(f"By codes alone: {_point(found.by_codes)}.")
        elif found.by_codes is None:
            most = max((point for point in found.points if point.k_factor is None), key=lambda point: point.recall)
            lines.append(f"By codes alone {what} is out of reach; the most: {_point(most)}.")
    if found.retrain is not None:
        lines.append(_retrain(found))
    if found.nlist is not None:
        one = found.nlist
        lines.append(
            f"Of numbers of lists IVF{one.nlist} compares least: with nprobe {one.nprobe} {one.compared:,.0f} "
            "centroids and codes a query (quick k-means, float vectors in the lists)."
        )
    return lines


def _retrain(found: Reached) -> str:
    assert found.retrain is not None
    if found.retrain["spec"] is not None:
        return (
            f"A training should take {found.retrain['spec']} ({found.retrain['bytes']} bytes): fitted quickly to a "
            "sample it gets there by codes alone, all lists visited."
        )
    if found.retrain["bytes"] is None:
        return "More bytes alone do not get there on a sample: rank candidates again by vectors."
    return (
        f"By codes alone it would take some {found.retrain['bytes']} bytes a vector, extrapolated from the quick fits: "
        "rank candidates again by vectors instead."
    )


def _point(point: Point) -> str:
    parts = [] if point.nprobe is None else [f"nprobe {point.nprobe}"]
    parts.append("no refining" if point.k_factor is None else f"refining by k_factor {point.k_factor}")
    return f"{', '.join(parts)}: recall {point.shown} in {point.ms:.3f} ms, {point.scanned:,.0f} codes scanned"


def _how(point: Point) -> str:
    nprobe = "" if point.nprobe is None else f" --nprobe {point.nprobe}"
    refine = "" if point.k_factor is None else f" --refine flat --vectors V.npy --k-factor {point.k_factor}"
    return f" (poeem export DIR --out FILE{nprobe}{refine})"


def _recall(fit: Fit, found: Reached) -> str:
    names = {LABELS: "recall@100", NEIGHBOURS: f"neighbour_recall@{found.k}"}
    return ", ".join(f"{names[measure]} {fit.shown(measure)}" for measure in fit.recall)

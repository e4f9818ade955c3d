"""Figures of the subject *frozen*: recall by bytes per vector, by codes scanned, by queries per second."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.figure import panels, save
from benchmarks.read import Results
from poeem.bench.equal_recall import found_metric
from poeem.bench.plots import draw_bytes, draw_scanned, draw_speed
from poeem.bench.style import named_sizes, style_of
from poeem.bench.summary import summarise

DATA = "debian"
# Ours without labels: what docs/frozen.md says to choose, up to so many bytes.
OURS = (("poeem-rq", 8), ("poeem-pq", 64))
# Trained as other papers did, or without a part: docs/frozen.md has them.
LEFT_OUT = {"poeem-rq-no-adapter", "poeem-rq-no-queries", "poeem-2021", "jpq", "repconc", "mopq", "distill-vq"}
METRIC = "recall@100"
Means = dict[tuple[str, int], dict[int, float]]  # (method, depth of re-ranking) -> bytes -> mean over the seeds


def read(results: Results, data: str = DATA) -> Means:
    """Means over the seeds of all flat records of a data set."""
    values: dict[tuple[str, int], dict[int, list[float]]] = {}
    for record in results.bench(data, "frozen"):
        if record["nlist"] == 0:
            of_size = values.setdefault((record["method"], record["rescore"]), {})
            of_size.setdefault(record["bytes_per_vector"], []).append(record[METRIC])
    return {
        key: {size: statistics.fmean(found) for size, found in sorted(sizes.items())} for key, sizes in values.items()
    }


def wins(ours: Mapping[int, float], others: list[Mapping[int, float]]) -> list[int]:
    """Sizes at which ours finds more than any other of as many bytes or fewer.

    >>> wins({4: 0.7, 8: 0.8, 32: 0.85}, [{4: 0.5, 8: 0.6}, {16: 0.9}])
    [4, 8]
    """
    points = [(size, value) for one in others for size, value in one.items()]
    return [
        size for size, value in ours.items() if all(value > other for other_size, other in points if other_size <= size)
    ]


def where(results: Results, out: Path) -> None:
    """Recall by bytes per vector, and the sizes at which ours is best."""
    means = read(results)
    exact = {key: one for key, one in means.items() if key[0] == "float"}
    (float_bytes, float_recall), *_ = next(iter(exact.values())).items()
    shown = {key: one for key, one in means.items() if key[0] not in LEFT_OUT | {"float"}}
    # Re-ranked: those only that have one size of their own, which is what people do with them.
    shown = {key: one for key, one in shown.items() if not key[1] or len(one) == 1}
    figure, (axes,) = panels(1, 9, 4.8)
    others = [one for (method, _), one in shown.items() if not method.startswith("poeem")]
    ours: dict[int, float] = {}
    for method, most in OURS:
        found = means.get((method, 0), {})
        ours |= {size: value for size, value in found.items() if max(ours, default=0) < size <= most}
    won = wins(ours, others)
    if won:
        step = math.sqrt(2)
        axes.axvspan(won[0] / step, won[-1] * step, color="#d55e00", alpha=0.09, linewidth=0)
        axes.text(
            math.sqrt(won[0] * won[-1]), 0.03, "use it here", transform=axes.get_xaxis_transform(),
            ha="center", color="#a03000", fontsize=9, fontweight="bold",
        )  # fmt: skip
    # Ours first, then by what a method finds at its smallest size.
    for key in sorted(
        shown, key=lambda key: (not key[0].startswith("poeem"), len(shown[key]) == 1, -_first(shown[key]))
    ):
        _line(axes, *key, shown[key])
    axes.axhline(float_recall, color="black", linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        f"float vectors, {float_bytes:,} bytes: {float_recall:.3f}", (0, float_recall),
        xycoords=("axes fraction", "data"), xytext=(4, 3), textcoords="offset points", fontsize=8,
    )  # fmt: skip
    sizes = sorted({size for one in shown.values() for size in one})
    named_sizes(axes, sizes)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.3)
    axes.set_ylim(min(value for one in shown.values() for value in one.values()) - 0.03, 1)
    axes.set_xlabel("bytes per vector")
    axes.set_ylabel(METRIC)
    # Small codes find less, and there are none of many bytes: this corner is empty.
    axes.legend(loc="lower right", fontsize=8, frameon=False, numpoints=1, handlelength=2.6)
    figure.tight_layout()
    save(figure, out)


def _first(one: Mapping[int, float]) -> float:
    return next(iter(one.values()))


def _line(axes: Any, method: str, depth: int, one: Mapping[int, float]) -> None:
    style = style_of(method)
    if depth:
        style |= {
            "markerfacecolor": "white",
            "markeredgecolor": style["color"],
            "markeredgewidth": 1.2,
            "markersize": 7,
        }
    if len(one) == 1:
        style["linestyle"] = "none"
    name = f"{method}, best {depth} re-ranked by floats" if depth else method
    axes.errorbar(list(one), list(one.values()), label=name, **style)


def by_bytes(results: Results, out: Path) -> None:
    """Recall by bytes per vector, all codes scanned."""
    rows = summarise(results.bench(DATA, "frozen"))
    sizes = Counter(row.method for row in rows)
    most = Counter(row.bytes_per_vector for row in rows)
    # Methods with a single point, such as other papers' recipes, are in the table only; methods of one size are shown.
    rows = [row for row in rows if sizes[row.method] > 1 or most[row.bytes_per_vector] < max(most.values()) / 2]
    draw_bytes(rows, [found_metric(rows)], f"{DATA}, all codes scanned", out)


def by_scanned(results: Results, out: Path) -> None:
    """Recall by codes scanned per query, with inverted lists."""
    rows = summarise(results.bench(DATA, "speed"))
    draw_scanned(rows, found_metric(rows), f"{DATA}, lists", out)


def by_speed(results: Results, out: Path) -> None:
    """Recall by queries per second, with inverted lists."""
    rows = summarise(results.bench(DATA, "speed"))
    draw_speed(rows, found_metric(rows), f"{DATA}, lists, one thread", out)

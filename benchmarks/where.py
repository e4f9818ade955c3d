"""The README's picture of where to use this library and where not: recall@100 against bytes per vector, from results.

Ours against every baseline on frozen embeddings, flat, of all seeds in `results/NAME-frozen*/bench.json`. Hollow marks
are re-ranked by float vectors, which then have to be kept besides. Shaded is where ours, without labels, finds more
than any baseline of as many bytes or fewer.

    pip install -e ".[bench]" && python benchmarks/where.py docs/figures/where.svg
    python benchmarks/where.py where.png --name wordnet
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from poeem.bench.style import named_sizes, save, style_of
from results_of import RESULTS, records

# Ours without labels: what docs/frozen.md says to choose, up to so many bytes.
OURS = (("poeem-rq", 8), ("poeem-pq", 64))
# Trained as other papers did, or without a part: docs/frozen.md has them.
LEFT_OUT = {"poeem-rq-no-adapter", "poeem-rq-no-queries", "poeem-2021", "jpq", "repconc", "mopq", "distill-vq"}
METRIC = "recall@100"
Means = dict[tuple[str, int], dict[int, float]]  # (method, depth of re-ranking) -> bytes -> mean over the seeds


def read(name: str, results: Path) -> Means:
    """Means over the seeds of all flat records of a data set."""
    values: dict[tuple[str, int], dict[int, list[float]]] = {}
    for record in records(name, "frozen", results):
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


def draw(means: Means, out: Path) -> None:
    """The picture; lines of ours on top."""
    exact = {key: one for key, one in means.items() if key[0] == "float"}
    (float_bytes, float_recall), *_ = next(iter(exact.values())).items()
    shown = {key: one for key, one in means.items() if key[0] not in LEFT_OUT | {"float"}}
    # Re-ranked: those only that have one size of their own, which is what people do with them.
    shown = {key: one for key, one in shown.items() if not key[1] or len(one) == 1}
    figure, axes = plt.subplots(figsize=(9, 4.8))
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
    axes.spines[["top", "right"]].set_visible(False)
    # Small codes find less, and there are none of many bytes: this corner is empty.
    axes.legend(loc="lower right", fontsize=8, frameon=False, numpoints=1, handlelength=2.6)
    figure.tight_layout()
    save(figure, out)
    plt.close(figure)


def _first(one: Mapping[int, float]) -> float:
    return next(iter(one.values()))


def _line(axes: Axes, method: str, depth: int, one: Mapping[int, float]) -> None:
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--name", default="debian")
    arguments.add_argument("--results", type=Path, default=RESULTS)
    args = arguments.parse_args()
    means = read(args.name, args.results)
    if not {"float", OURS[0][0]} <= {method for method, _ in means}:
        arguments.error(
            f"{args.results} has no records of float and {OURS[0][0]} for {args.name!r}; run the benchmark first"
        )
    draw(means, args.out)


if __name__ == "__main__":
    main()

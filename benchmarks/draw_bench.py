"""Pictures of what `poeem bench` found on a data set: against bytes, against codes scanned, against queries a second.

Of all seeds in `results/NAME-frozen*` (all codes scanned) and `results/NAME-speed*` (lists).

    pip install -e ".[bench]" && python benchmarks/draw_bench.py docs/figures/debian   # debian-bytes.svg and others
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from poeem.bench.equal_recall import found_metric
from poeem.bench.plots import draw_bytes, draw_scanned, draw_speed
from poeem.bench.summary import summarise
from results_of import RESULTS, records


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=Path, help="the last part is the name of the data set")
    arguments.add_argument("--results", type=Path, default=RESULTS)
    arguments.add_argument("--format", choices=("svg", "png"), default="svg")
    args = arguments.parse_args()
    name = args.out.name

    def path(kind: str) -> Path:
        return args.out.with_name(f"{name}-{kind}.{args.format}")

    flat, lists = (summarise(records(name, kind, args.results)) for kind in ("frozen", "speed"))
    sizes = Counter(row.method for row in flat)
    most = Counter(row.bytes_per_vector for row in flat)
    # A lone point among the curves, as of other papers' recipes, is left to the table; sizes of a method's own are not.
    flat = [row for row in flat if sizes[row.method] > 1 or most[row.bytes_per_vector] < max(most.values()) / 2]
    if flat:
        print(draw_bytes(flat, [found_metric(flat)], f"{name}, all codes scanned", path("bytes")))
    if lists:
        metric = found_metric(lists)
        print(draw_scanned(lists, metric, f"{name}, lists", path("scanned")))
        print(draw_speed(lists, metric, f"{name}, lists, one thread", path("qps")))


if __name__ == "__main__":
    main()

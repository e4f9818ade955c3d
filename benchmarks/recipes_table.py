"""The table of papers' recipes in docs/frozen.md: on vectors as they are, and on queries that know the labels."""

from __future__ import annotations

from blocks import row, rule
from results_of import mean, records

METHODS = ("float", "opq", "poeem-2021", "repconc", "jpq", "mopq", "distill-vq")
ROWS = (("vectors as encoded", "debian", "frozen"), ("queries taught by labels", "debian_taught", "recipes"))


def recipes_table(size: int = 8, metric: str = "recall@100") -> list[str]:
    """Title and table; of both rows or none."""
    lines, seeds = [], []
    for title, name, kind in ROWS:
        by_method: dict[str, list[float]] = {}
        for record in records(name, kind):
            if record["bytes_asked"] in (None, size) and not record["rescore"]:
                by_method.setdefault(record["method"], []).append(record[metric])
        if not set(METHODS) <= by_method.keys():
            return []
        seeds.append(min(len(by_method[method]) for method in METHODS[1:]))
        lines.append(row(title, *(mean(by_method[method], 3) for method in METHODS)))
    title = f"**{metric} at {size} bytes, Debian descriptions; seeds: {' and '.join(map(str, seeds))}**"
    return ["\n".join([title, "", row("", *METHODS).replace("|  |", "| |"), rule(1 + len(METHODS)), *lines])]

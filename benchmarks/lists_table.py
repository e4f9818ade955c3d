"""The table of lists in docs/interactions.md: what is found by the share of the codes that is scanned for it."""

from __future__ import annotations

import numpy as np

from blocks import row, rule
from results_of import mean, runs

LABELS = {
    "afterwards": "k-means, built afterwards",
    "joint, no list loss": "trained, `--list-loss 0`",
    "joint, balance 0": "trained, `--balance 0`",
    "joint": "**trained**",
}
SHARES = (0.02, 0.05, 0.10, 0.15)
Curve = list[dict[str, float]]


def at_shares(curve: Curve, metric: str = "recall@100") -> list[float]:
    """A metric at ``SHARES`` of the codes scanned; between two numbers of lists on a line in the log of the share.

    >>> curve = [{"scanned": 0.01, "recall@100": 0.2}, {"scanned": 0.04, "recall@100": 0.4}]
    >>> round(float(at_shares(curve)[0]), 3)
    0.3
    """
    return list(np.interp(np.log(SHARES), np.log([one["scanned"] for one in curve]), [one[metric] for one in curve]))


def lists_table() -> list[str]:
    """Title and table, from the results of `benchmarks/lists.py`."""
    found = runs("lists-*.json")
    if not found:
        return []
    first = found[0]
    lines = [
        f"**recall@100 at the share of the codes scanned; MovieLens-1M, history tower, {first['spec']}, "
        f"seeds: {len(found)}**",
        "",
        row("lists", *(f"{share:.0%}" for share in SHARES)),
        rule(1 + len(SHARES)),
    ]
    for name in first["curves"]:
        values = zip(*(at_shares(run["curves"][name]) for run in found))
        lines.append(row(LABELS[name], *(mean(of_share) for of_share in values)))
    return ["\n".join(lines)]

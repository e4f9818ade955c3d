"""The table of docs/life_cycle.md: what a new version finds, and what it rewrites."""

from __future__ import annotations

import statistics

from blocks import row, rule
from results_of import mean, runs


def stability_table() -> list[str]:
    """Title and table, from the results of `benchmarks/stability.py`."""
    found = runs("stability-*.json")
    if not found:
        return []
    first = found[0]
    (before, after), (few, all_of_them) = first["events"], first["items"]
    title = (
        f"**{first['dataset']}, {first['spec']}: version 1 on {before:,} events and {few:,} items, version 2 on "
        f"{after:,} and {all_of_them:,}; {first['epochs']:g} epochs, to go on {first['follow_epochs']:g} at a "
        f"learning rate of {first['follow_lr']:g}; seeds: {len(found)}**"
    )
    queries = next(iter(first["rows"].values()))["later"]["queries"]
    head = ("rows rewritten", "recall@100", f"of {queries:,} later events", "NDCG@10")
    lines = [title, "", row("version 2", *head), rule(5)]
    for name, one in first["rows"].items():
        of_row = [run["rows"][name] for run in found]
        label = "every code kept" if name.startswith("stability") and one["stability"] >= 1e6 else name
        share = f"{100 * statistics.fmean(one['changed_share'] for one in of_row):.1f} %"
        cells = [mean(one[block]["recall@100"] for one in of_row) for block in ("index", "later")]
        lines.append(row(label, share, *cells, mean(one["index"]["ndcg@10"] for one in of_row)))
    return ["\n".join(lines)]

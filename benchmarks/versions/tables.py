"""The table of the subject *versions*: recall of a new version, and the rows that it rewrites."""

from __future__ import annotations

import statistics

from benchmarks.markdown import table
from benchmarks.read import Results, mean


def stability(results: Results) -> str:
    """One line per way to make version 2."""
    runs = results.runs("stability")
    if not runs:
        return ""
    facts, rows = runs[0]["settings"], runs[0]["rows"]
    (before, after), (few, all_of_them) = facts["events"], facts["items"]
    title = (
        f"{facts['dataset']}, {facts['spec']}: version 1 on {before:,} events and {few:,} items, version 2 on "
        f"{after:,} and {all_of_them:,}; {facts['epochs']:g} epochs from scratch, {facts['follow_epochs']:g} from "
        f"version 1 at a learning rate of {facts['follow_lr']:g}; seeds: {len(runs)}"
    )
    queries = next(iter(rows.values()))["later"]["queries"]
    lines = []
    for name, first in rows.items():
        of_seeds = [run["rows"][name] for run in runs]
        label = "every code kept" if name.startswith("stability") and first["stability"] >= 1e6 else name
        share = f"{100 * statistics.fmean(row['changed_share'] for row in of_seeds):.1f} %"
        recalls = [mean(row[block]["recall@100"] for row in of_seeds) for block in ("index", "later")]
        lines.append((label, share, *recalls, mean(row["index"]["ndcg@10"] for row in of_seeds)))
    head = ("version 2", "rows rewritten", "recall@100", f"of {queries:,} later events", "NDCG@10")
    return table(title, head, lines)

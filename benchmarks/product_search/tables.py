"""Tables of the subject *product_search*."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, mean, number_of_seeds

FIGURES = ("recall@100", "recall@10", "p_good@100")
ROWS = {
    "BM25": "BM25 over titles, ties by popularity",
    "popularity": "popularity in the category that was bought",
    "base": "base: mean-pooled two-tower, float",
    "mgs": "base + semantic unit",
    "trm": "base + LSTM and attention",
    "tau": "base + temperature 0.2",
    "mix": "base + mixed negatives",
    "mgs + trm": "**semantic unit, LSTM and attention (the default), float**",
    "mgs + trm + tau": "the same, temperature 0.2",
    "all": "the same, and mixed negatives",
    "joint, 16 bytes": "**the default with its index, 16 bytes**",
    "joint, 8 bytes": "**the default with its index, 8 bytes**",
    "filter": "16 bytes, results matched with the title",
}


def products(results: Results) -> str:
    """Every row that has been measured, with means over the seeds."""
    runs = results.runs("product_search")
    if not runs:
        return ""
    lines = [
        (title, *(mean((run["rows"][name][figure] for run in runs), 3) for figure in FIGURES))
        for name, title in ROWS.items()
        if all(name in run["rows"] for run in runs)
    ]
    steps, queries = runs[0]["settings"]["steps"], runs[0]["rows"]["base"]["queries"]
    title = f"Complete Journey as search, {queries:,} test queries, {steps} steps of 256, {number_of_seeds(len(runs))}"
    return table(title, ("", *FIGURES), lines)

"""Tables of the subject *product_search*."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, mean, number_of_seeds

FIGURES = ("recall@100", "recall@10", "ndcg@10", "p_good@100")
INDEX_ROWS = {
    "BM25": "BM25 over titles, ties by popularity",
    "popularity": "popularity in the category that was bought",
    "base": "mean-pooled two-tower, float",
    "mgs + trm": "**default, float**",
    "joint, 16 bytes": "**default with its index, 16 bytes**",
    "joint, 8 bytes": "**default with its index, 8 bytes**",
    "filter": "16 bytes, results matched with the title",
}
PART_ROWS = {
    "base": "base: mean-pooled two-tower",
    "mgs": "base + semantic unit",
    "trm": "base + attention over the behaviour",
    "tau": "base + temperature 0.1",
    "mix": "base + mixed negatives",
    "paper": "base + semantic unit + the paper's attention",
    "mgs + trm": "**base + semantic unit + attention (the default)**",
    "mgs + trm + tau": "the default, temperature 0.1",
    "all": "the default, temperature 0.1, mixed negatives",
}


def products(results: Results) -> str:
    """The model, its index and the filter, beside rankings without a model; means over the seeds."""
    return _rows(results, "product_search", INDEX_ROWS)


def parts(results: Results) -> str:
    """The parts of the model, the temperature and the mixed negatives; means over the seeds."""
    return _rows(results, "product_search_parts", PART_ROWS)


def _rows(results: Results, name: str, rows: dict[str, str]) -> str:
    """Every row that all seeds have."""
    runs = results.runs(name)
    if not runs:
        return ""
    lines = [
        (title, *(mean((run["rows"][row][figure] for run in runs), 3) for figure in FIGURES))
        for row, title in rows.items()
        if all(row in run["rows"] for run in runs)
    ]
    settings, queries = runs[0]["settings"], runs[0]["rows"]["base"]["queries"]
    title = (
        f"Complete Journey as search, {queries:,} test queries, {settings['steps']} steps of "
        f"{settings['batch_size']:,}, {number_of_seeds(len(runs))}"
    )
    return table(title, ("", *FIGURES), lines)

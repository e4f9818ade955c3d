"""The tables of README and docs from `benchmarks/results`, written into their marked blocks.

Mean over the seeds, and how far the farthest of them is from it; of seconds the median, as machines are busy at times.

    python benchmarks/summary.py
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from blocks import fill_page, row, rule
from engine_tables import engine_tables
from lists_table import lists_table
from readme_table import readme_table
from recipes_table import recipes_table
from results_of import data_sets, mean, records, runs
from speed_table import speeds
from stability_table import stability_table

BASELINES = ("rq-refined", "rq", "opq", "pq", "lsh")


def _baseline(name: str, run: dict[str, Any]) -> dict[str, Any] | None:
    """Of runs before a baseline was there, None."""
    return run["baselines"].get(name)


ROWS = (
    ("float, trained without index", lambda run: run["float"]),
    ("float, trained with index", lambda run: run["joint_float"]),
    ("**index, trained jointly**", lambda run: run["index"]),
    *(
        (f"{name.upper().replace('-REFINED', ', refined')}, built afterwards", partial(_baseline, name))
        for name in BASELINES
    ),
)
METRICS = ("recall@100", "recall@10", "ndcg@10", "neighbour_recall@10")
FROZEN = ("recall@100", "recall@10", "mrr@10", "neighbour_recall@10")
# Files of the results, and what they are of.
INTERACTIONS = (
    ("movielens-additive", "MovieLens-1M, history tower"),
    ("movielens-history", "MovieLens-1M, history tower"),
    ("movielens-sequence", "MovieLens-1M, sequence tower"),
    ("journey", "Complete Journey (baskets), history tower"),
)


def interactions(pattern: str, title: str) -> list[str]:
    """A table for each structure of `benchmarks/interactions.py`."""
    parts = []
    found = runs(f"{pattern}-[0-9]*.json")
    for spec in found[0]["specs"] if found else ():
        of_spec = [run["specs"][spec] for run in found]
        lines = [
            f"**{title}, {spec}, {of_spec[0]['bytes_per_vector']} bytes, seeds: {len(found)}**",
            "",
            row("", *METRICS, "build s").replace("|  |", "| |"),
            rule(len(METRICS) + 2),
        ]
        for name, block in ROWS:
            blocks = [block(run) for run in of_spec]
            if None in blocks:
                continue
            seconds = [one.get("build_seconds") for one in blocks]
            if name.startswith("**"):
                seconds = [run["timings"]["bundle_seconds"] for run in of_spec]
            built = "" if seconds[0] is None else f"{statistics.median(seconds):.1f}"
            lines.append(row(name, *(mean(one[metric] for one in blocks) for metric in METRICS), built))
        parts.append("\n".join(lines))
        ratios = {"float": lambda run: run["float"], "OPQ": partial(_baseline, "opq"), "RQ": partial(_baseline, "rq")}
        if all(_baseline("rq-refined", run) for run in of_spec):
            ratios["refined RQ"] = partial(_baseline, "rq-refined")
        for name, other in ratios.items():
            ratio = mean((run["index"]["recall@100"] / other(run)["recall@100"] for run in of_spec), 3)
            parts.append(f"index recall@100 / that of {name}: {ratio}")
    return parts


def float_models() -> list[str]:
    """NDCG@10 of the float model by tower, from every run that trained one."""
    lines = ["**Float model, NDCG@10**", "", "| | | seeds |", rule(3)]
    for tower in ("history", "sequence"):
        blocks = {run["seed"]: run["float"] for run in runs(f"float-{tower}-*.json")}
        # The float twin of a joint run is the same training.
        for run in runs(f"movielens-{tower}-*.json"):
            blocks.setdefault(run["seed"], next(iter(run["specs"].values()))["float"])
        if blocks:
            lines.append(row(f"{tower} tower", mean(block["ndcg@10"] for block in blocks.values()), len(blocks)))
    return ["\n".join(lines)]


def benches(kind: str, title: str) -> list[str]:
    """What `poeem bench` found in the folders `NAME-KIND*`, all codes scanned, a table a data set."""
    parts = []
    for name in data_sets(kind):
        rows: dict[tuple[int, str, int], list[dict[str, Any]]] = {}
        for record in records(name, kind):
            rows.setdefault((record["bytes_per_vector"], record["method"], record["rescore"]), []).append(record)
        metrics = [metric for metric in FROZEN if all(metric in group[0] for group in rows.values())]
        lines = [
            f"**{title}, {name}**",
            "",
            row("bytes", "", *metrics, "build s", "seeds").replace("|  |", "| |"),
            rule(len(metrics) + 4),
        ]
        means = {key: statistics.fmean(record[metrics[0]] for record in found) for key, found in rows.items()}
        for size, method, depth in sorted(rows, key=lambda key: (key[0], -means[key])):
            found = rows[size, method, depth]
            cells = [mean(record[metric] for record in found) for metric in metrics]
            seconds = f"{statistics.median(record['build_seconds'] for record in found):.0f}"
            again = f", {depth} re-ranked" if depth else ""
            lines.append(row(size, method + again, *cells, seconds, len(found)))
        parts.append("\n".join(lines))
    return parts


def table(pattern: str, rows: Callable[[dict[str, Any]], dict[str, float]], title: str) -> list[str]:
    """One line a named number, over the seeds."""
    found = [rows(run) for run in runs(pattern)]
    if not found:
        return []
    lines = [f"**{title}**", "", "| | | seeds |", rule(3)]
    for name in found[0]:
        values = [run[name] for run in found if name in run]
        lines.append(row(name, mean(values), len(values)))
    return ["\n".join(lines)]


def tutorial() -> list[str]:
    return table(
        "tutorial-*.json",
        lambda run: {name: one["precision@100"] for name, one in run["rows"].items()},
        "The original's tutorial, precision@100",
    )


def compressed() -> list[str]:
    """Item tables: their size, and what the model and its index then find."""
    found = runs("compressed_table-*.json")
    if not found:
        return []
    metrics = ("recall@100", "ndcg@10")
    lines = [
        f"**Item tables, MovieLens-1M, history tower, {found[0]['spec']}, seeds: {len(found)}**",
        "",
        row("table", "kB", *(f"{kind}, {metric}" for kind in ("float", "index") for metric in metrics)),
        rule(6),
    ]
    for name, one in found[0]["tables"].items():
        cells = [
            mean(run["tables"][name][kind][metric] for run in found)
            for kind in ("float", "index")
            for metric in metrics
        ]
        lines.append(row(name, f"{one['table'] / 1e3:,.0f}", *cells))
    return ["\n".join(lines)]


def of_speed() -> list[str]:
    return [
        *table(
            "step_overhead-*.json",
            lambda run: {one["tower"]: one["wall_ratio"] for one in run["results"]},
            "Training step with OPQ8,IVF64,PQ8 / with an identity, wall time",
        ),
        *table(
            "encode-*.json",
            lambda run: {name: one["ratio"] for name, one in run["rows"].items()},
            "Encode, rows/s / those of faiss",
        ),
        *table(
            "givens-*.json",
            lambda run: {f"dim {one['dim']}": one["svd_over_greedy"] for one in run["rows"]},
            "SVD time / Givens step (greedy)",
        ),
    ]


def main() -> None:
    of_runs = [part for pattern, title in INTERACTIONS for part in interactions(pattern, title)]
    pages = {
        "README.md": {"TABLES": [readme_table()]},
        "docs/numbers.md": {
            "MOVIELENS": [*of_runs, *float_models()],
            "TUTORIAL": tutorial(),
            "SPEED": of_speed(),
            "ENGINES": engine_tables(),
        },
        "docs/interactions.md": {
            "LISTS": lists_table(),
            "COMPRESSED": compressed(),
            "AFTERWARDS": benches("afterwards", "Built or fitted on the float twin, or trained with the model"),
        },
        "docs/frozen.md": {
            "FROZEN": benches("frozen", "Frozen embeddings"),
            "RECIPES": recipes_table(),
            "QPS": speeds(),
        },
        "docs/life_cycle.md": {"STABILITY": stability_table()},
    }
    for page, blocks in pages.items():
        fill_page(page, {name: "\n\n".join(parts) for name, parts in blocks.items()})


if __name__ == "__main__":
    main()

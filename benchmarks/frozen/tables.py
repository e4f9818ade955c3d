"""Tables of the subject *frozen*: what `poeem bench` measured, and the recipes of the papers."""

from __future__ import annotations

import statistics

from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean, number_of_seeds

METRICS = ("recall@100", "recall@10", "mrr@10", "neighbour_recall@10")
RECIPES = ("float", "opq", "poeem-2021", "repconc", "jpq", "mopq", "distill-vq")
VECTORS = (("vectors as encoded", "debian", "frozen"), ("queries taught by labels", "debian_taught", "recipes"))


def frozen(results: Results) -> str:
    """All methods on frozen embeddings."""
    return bench_tables(results, "frozen", "Frozen embeddings")


def bench_tables(results: Results, kind: str, title: str) -> str:
    """The folders ``DATA-KIND*`` of `poeem bench`, all codes scanned: one table per data set."""
    parts = []
    for data in results.data_sets(kind):
        groups: dict[tuple[int, str, int], list[Run]] = {}
        for record in results.bench(data, kind):
            groups.setdefault((record["bytes_per_vector"], record["method"], record["rescore"]), []).append(record)
        metrics = [metric for metric in METRICS if all(metric in group[0] for group in groups.values())]
        first = {key: statistics.fmean(record[metrics[0]] for record in found) for key, found in groups.items()}
        lines = []
        for size, method, depth in sorted(groups, key=lambda key: (key[0], -first[key])):
            found = groups[size, method, depth]
            cells = [mean(record[metric] for record in found) for metric in metrics]
            seconds = f"{statistics.median(record['build_seconds'] for record in found):.0f}"
            lines.append((size, method + (f", {depth} re-ranked" if depth else ""), *cells, seconds, len(found)))
        parts.append(table(f"{title}, {data}", ("bytes", "", *metrics, "build s", "seeds"), lines))
    return "\n\n".join(parts)


def recipes(results: Results, size: int = 8, metric: str = "recall@100") -> str:
    """The papers' recipes, on vectors as they are and on queries taught by labels; empty unless both are complete."""
    lines, seeds = [], []
    for title, data, kind in VECTORS:
        by_method: dict[str, list[float]] = {}
        for record in results.bench(data, kind):
            if record["bytes_asked"] in (None, size) and not record["rescore"]:
                by_method.setdefault(record["method"], []).append(record[metric])
        if not set(RECIPES) <= by_method.keys():
            return ""
        seeds.append(min(len(by_method[method]) for method in RECIPES[1:]))
        lines.append((title, *(mean(by_method[method], 3) for method in RECIPES)))
    title = f"{metric} at {size} bytes, Debian descriptions; seeds: {' and '.join(map(str, seeds))}"
    return table(title, ("", *RECIPES), lines)


def samples(results: Results) -> str:
    """Fits that rank a sample of the items, or use fewer queries."""
    runs = results.runs("fit_samples")
    if not runs:
        return ""
    settings = runs[0]["settings"]
    lines = []
    for name in runs[0]["rows"]:
        rows = [run["rows"][name] for run in runs if name in run["rows"]]
        cells = [mean(row[metric] for row in rows) for metric in ("neighbour_recall@10", "neighbour_recall@10_in_100")]
        lines.append((name, *cells, f"{statistics.median(row['cpu_seconds'] for row in rows):.0f}"))
    title = (
        f"Recall on all {settings['rows']:,} items (GloVe words, {settings['spec']}) after a fit that ranks so many "
        f"items for so many queries; {number_of_seeds(len(runs))}"
    )
    return table(title, ("", "neighbour_recall@10", "10 nearest in the first 100", "CPU s"), lines)


def challengers(results: Results) -> str:
    """Untrained codes of few bytes beside ours."""
    runs = results.runs("challengers")
    if not runs:
        return ""
    lines = []
    for row in runs[0]["rows"]:
        found = [run["rows"][row] for run in runs if row in run["rows"]]
        name, size = row.rsplit(", ", 1)
        cells = [mean(one[f"recall 10@{depth}"] for one in found) for depth in (10, 100)]
        seconds = statistics.median(one["build_seconds"] for one in found)
        lines.append((int(size), name, found[0]["variant"] if name in VARIED else "", *cells, f"{seconds:.0f}"))
    lines.sort(key=lambda line: (line[0], -float(line[3].split()[0])))
    rows = runs[0]["settings"]["rows"]
    title = f"{rows:,} GloVe words, inner product of unit vectors; {number_of_seeds(len(runs))}"
    return table(title, ("bytes", "", "best form", "10 nearest in the first 10", "in the first 100", "build s"), lines)


# Methods that have several forms.
VARIED = ("scalars", "uneven scalars", "RaBitQ")

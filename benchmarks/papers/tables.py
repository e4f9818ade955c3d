"""Tables of the subject *papers*: the original's table and tutorial, ablations, indexing time, learning a rotation."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, mean
from benchmarks.speed.tables import ratios

DATA = {"ml-1m": "MovieLens-1M", "complete-journey": "Complete Journey"}
SPLITS = {"last": "leave-last-out", "time": "one cut in time"}
METRICS = {
    "labels p@100": "p@100, labels",
    "labels r@100": "r@100, labels",
    "labels ndcg@10": "NDCG@10, labels",
    "neighbours p@100": "p@100 = r@100, neighbours",
}
NAMES = {"float": "float model", "scann": "ScaNN", "lsh": "LSH", "pq": "PQ", "opq": "OPQ", "rq": "RQ"}
RECIPES = {"paper": "the paper's recipe", "ours": "the recipe of `poeem train`"}
STARTS = {"identity": "the coordinates as they come", "axes": "balanced principal axes", "random": "a random rotation"}


def paper_table(results: Results) -> str:
    """The paper's table: one table per split, by bytes."""
    parts = []
    for split in SPLITS:
        runs = results.runs(f"paper_table-{split}")
        if not runs:
            continue
        lines = []
        for key, first in sorted(runs[0]["rows"].items(), key=lambda item: -item[1]["bytes"]):
            rows = [run["rows"][key] for run in runs if key in run["rows"]]
            cells = (mean(row[metric] for row in rows) for metric in METRICS)
            lines.append((first["bytes"], NAMES.get(first["name"], first["name"]), *cells))
        facts = runs[0]["settings"]
        data = f"{DATA.get(facts['dataset'], facts['dataset'])}, {SPLITS[split]}"
        title = f"{data}, {facts['queries']:,} test users, seeds: {len(runs)}"
        parts.append(table(title, ("bytes", "", *METRICS.values()), lines))
    return "\n\n".join(parts)


def ablations(results: Results) -> str:
    """One table per recipe that is the base."""
    parts = []
    names = {"base: base": "nothing: the index", "base: float": "no index: the float model"}
    for recipe, of_recipe in RECIPES.items():
        runs = results.runs(f"ablations-{recipe}")
        if not runs:
            continue
        lines = []
        for key, first in runs[0]["rows"].items():
            rows = [run["rows"][key] for run in runs if key in run["rows"]]
            cells = (mean(row[metric] for row in rows) for metric in ("recall@100", "ndcg@10", "neighbour_recall@10"))
            lines.append(("" if key in names else first["group"], names.get(key, first["name"]), *cells))
        facts = runs[0]["settings"]
        data = f"{DATA.get(facts['dataset'], facts['dataset'])}, {facts['spec']}, {facts['epochs']:g} epochs"
        title = f"Base: {of_recipe}; {data}, {facts['part']}, seeds: {len(runs)}"
        parts.append(table(title, ("changed", "to", "recall@100", "NDCG@10", "neighbour recall@10"), lines))
    return "\n\n".join(parts)


def indexing_time(results: Results) -> str:
    """Seconds by the number of items."""
    runs = results.runs("indexing_time")
    if not runs:
        return ""
    rows = runs[0]["rows"].values()
    names, sizes = (list(dict.fromkeys(row[fact] for row in rows)) for fact in ("name", "items"))
    lines = []
    for name in names:
        cells = []
        for size in sizes:
            found = [run["rows"][key] for run in runs if (key := f"{name}, {size:,} items") in run["rows"]]
            cells.append(mean((row["build"] + row["write"] for row in found), 2) if found else "")
        lines.append((f"**{name}**" if name.startswith("ours") else f"{name}, post-hoc", *cells))
    title = f"Seconds, {runs[0]['settings']['threads']} thread, runs: {len(runs)}"
    return table(title, ("", *(f"{size:,} items" for size in sizes)), lines)


def rotation_learning(results: Results) -> str:
    """Distortion by iteration and milliseconds of processor time: one table per start."""
    parts = []
    for start, title in STARTS.items():
        runs = results.runs(f"rotation_learning-{start}")
        if not runs:
            continue
        facts = runs[0]["settings"]
        places = [place for place in (0, 10, 20, 50, 100) if place <= facts["iterations"]]
        lines = []
        for name in runs[0]["rows"]:
            rows = [run["rows"][name] for run in runs if name in run["rows"]]
            distortions = [mean(row["distortion"][place] for row in rows) for place in places]
            times = [mean((row[part] for row in rows), 1) for part in ("rotation_ms", "iteration_ms")]
            lines.append((name, *distortions, *times))
        title = f"GloVe, {facts['rows']:,} vectors, start: {title}, seeds: {len(runs)}"
        head = ("", *(f"after {place}" for place in places), "rotation ms", "iteration ms")
        parts.append(table(title, head, lines))
    return "\n\n".join(parts)


def tutorial(results: Results) -> str:
    """precision@100 on the original's tutorial."""
    if not results.runs("tutorial"):
        return ""
    return ratios(results, "tutorial", "precision@100", "The original's tutorial, precision@100")

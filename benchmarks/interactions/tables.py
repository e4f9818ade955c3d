"""Tables of the subject *interactions*: trained and post-hoc indexes, lists, item tables, float models."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.frozen.tables import bench_tables
from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean

POST_HOC = {"rq-refined": "RQ, refined", "rq": "RQ", "opq": "OPQ", "pq": "PQ", "lsh": "LSH"}
METRICS = ("recall@100", "recall@10", "ndcg@10", "neighbour_recall@10")
# Names of the results, and their data.
RUNS = {
    "movielens-additive": "MovieLens-1M, history tower",
    "movielens-history": "MovieLens-1M, history tower",
    "movielens-sequence": "MovieLens-1M, sequence tower",
    "journey": "Complete Journey (baskets), history tower",
}
LISTS = {
    "post-hoc": "k-means, post-hoc",
    "joint, no list loss": "trained, `list_loss` 0",
    "joint, balance 0": "trained, `balance` 0",
    "joint": "**trained**",
}
SHARES = (0.02, 0.05, 0.10, 0.15)


def movielens(results: Results) -> str:
    """A table for each structure of `joint_index`, and the float models."""
    parts = [part for name, title in RUNS.items() for part in _joint(results.runs(name), title)]
    return "\n\n".join([*parts, _float_models(results)] if parts else [])


def _joint(runs: list[Run], title: str) -> Iterator[str]:
    for spec in runs[0]["rows"] if runs else ():
        rows = [run["rows"][spec] for run in runs]
        size = rows[0]["bytes_per_vector"]
        blocks = _blocks(rows)
        lines = []
        for name, found in blocks.items():
            seconds = [one.get("build_seconds") for one in found]
            if name.startswith("**"):
                seconds = [row["timings"]["bundle_seconds"] for row in rows]
            built = "" if seconds[0] is None else f"{statistics.median(seconds):.1f}"
            lines.append((name, *(mean(one[metric] for one in found) for metric in METRICS), built))
        yield table(f"{title}, {spec}, {size} bytes, seeds: {len(runs)}", ("", *METRICS, "build s"), lines)
        others = {"float": lambda row: row["float"]} | {
            name: lambda row, key=key: row["baselines"][key]
            for key, name in (("opq", "OPQ"), ("rq", "RQ"), ("rq-refined", "refined RQ"))
            if key in rows[0]["baselines"]
        }
        for name, other in others.items():
            ratio = mean((row["index"]["recall@100"] / other(row)["recall@100"] for row in rows), 3)
            yield f"index recall@100 / that of {name}: {ratio}"


def _blocks(rows: list[Run]) -> dict[str, list[dict[str, Any]]]:
    """The blocks of metrics of all seeds by the name of a line."""
    blocks = {
        "float, trained without index": [row["float"] for row in rows],
        "float, trained with index": [row["joint_float"] for row in rows],
        "**index, trained jointly**": [row["index"] for row in rows],
    }
    for key, name in POST_HOC.items():
        if all(key in row["baselines"] for row in rows):
            blocks[f"{name}, post-hoc"] = [row["baselines"][key] for row in rows]
    return blocks


def _float_models(results: Results) -> str:
    lines = []
    for tower in ("history", "sequence"):
        found = float_ndcg(results, tower)
        if found:
            lines.append((f"{tower} tower", mean(found), len(found)))
    return table("Float model, NDCG@10", ("", "", "seeds"), lines)


def float_ndcg(results: Results, tower: str) -> list[float]:
    """NDCG@10 of a float model, one per seed; the float twin of a joint run is the same training."""
    found = {run["seed"]: run["rows"]["float"]["ndcg@10"] for run in results.runs(f"float-{tower}")}
    for run in results.runs(f"movielens-{tower}"):
        found.setdefault(run["seed"], next(iter(run["rows"].values()))["float"]["ndcg@10"])
    return list(found.values())


def post_hoc(results: Results) -> str:
    """Indexes built or fitted on the float twin's vectors, beside the trained one."""
    return bench_tables(results, "afterwards", "Post-hoc on the float twin's vectors, or trained with the model")


def lists(results: Results) -> str:
    """recall@100 by the share of the codes that is scanned."""
    runs = results.runs("lists")
    if not runs:
        return ""
    lines = []
    for name in runs[0]["rows"]:
        values = zip(*(at_shares(run["rows"][name]["curve"]) for run in runs))
        lines.append((LISTS[name], *(mean(of_share) for of_share in values)))
    spec = runs[0]["settings"]["spec"]
    title = f"recall@100 at the share of the codes scanned; MovieLens-1M, history tower, {spec}, seeds: {len(runs)}"
    return table(title, ("lists", *(f"{share:.0%}" for share in SHARES)), lines)


def at_shares(curve: list[dict[str, float]], metric: str = "recall@100") -> list[float]:
    """A metric at ``SHARES`` of the codes scanned, interpolated linearly in the log of the share.

    >>> curve = [{"scanned": 0.01, "recall@100": 0.2}, {"scanned": 0.04, "recall@100": 0.4}]
    >>> round(float(at_shares(curve)[0]), 3)
    0.3
    """
    return list(np.interp(np.log(SHARES), np.log([one["scanned"] for one in curve]), [one[metric] for one in curve]))


def item_tables(results: Results) -> str:
    """Item tables: their size, and the quality of model and index."""
    runs = results.runs("compressed_table")
    if not runs:
        return ""
    columns = [(kind, metric) for kind in ("float", "index") for metric in ("recall@100", "ndcg@10")]
    lines = []
    for name, row in runs[0]["rows"].items():
        cells = [mean(run["rows"][name][kind][metric] for run in runs) for kind, metric in columns]
        lines.append((name, f"{row['table'] / 1e3:,.0f}", *cells))
    title = f"Item tables, MovieLens-1M, history tower, {runs[0]['settings']['spec']}, seeds: {len(runs)}"
    return table(title, ("table", "kB", *(f"{kind}, {metric}" for kind, metric in columns)), lines)


def processes(results: Results) -> str:
    """One and two processes with the same global batch: loss at the end, and quality of model and index."""
    runs = results.runs("processes")
    if not runs:
        return ""
    columns = [key for key in runs[0]["rows"]["1"] if key != "loss"]
    lines = []
    for name in runs[0]["rows"]:
        rows = [run["rows"][name] for run in runs]
        lines.append(
            (name, mean((row["loss"] for row in rows), 2), *(mean(row[key] for row in rows) for key in columns))
        )
    settings = runs[0]["settings"]
    title = f"{settings['dataset']}, {settings['spec']}, {settings['epochs']:g} epochs, seeds: {len(runs)}"
    return table(title, ("processes", "loss", *columns), lines)

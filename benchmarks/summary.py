"""The README's tables from `benchmarks/results`: mean over the seeds, and half the spread where it tells something.

python benchmarks/summary.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROWS = (
    ("float, trained without index", lambda run: run["float"]),
    ("float, trained with index", lambda run: run["joint_float"]),
    ("**index, trained jointly**", lambda run: run["index"]),
    *(
        (f"{name.upper()}, built afterwards", lambda run, name=name: run["baselines"][name])
        for name in ("rq", "opq", "pq", "lsh")
    ),
)
METRICS = ("recall@100", "recall@10", "ndcg@10", "neighbour_recall@10")


def runs(pattern: str) -> list[dict[str, Any]]:
    """Results of all seeds."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob(pattern))]


def mean(values: Iterable[float], digits: int = 4) -> str:
    """Mean and, of several, the largest distance from it."""
    values = list(values)
    centre = statistics.fmean(values)
    spread = f" ± {max(abs(value - centre) for value in values):.{digits}f}" if len(values) > 1 else ""
    return f"{centre:.{digits}f}{spread}"


def movielens(kind: str) -> None:
    found = runs(f"movielens-{kind}-*.json")
    tower = "sequence" if kind == "sequence" else "history"
    for spec in found[0]["specs"] if found else ():
        of_spec = [run["specs"][spec] for run in found]
        print(f"\nMovieLens-1M, {tower} tower, {spec}, {of_spec[0]['bytes_per_vector']} bytes, seeds: {len(found)}\n")
        print("| | " + " | ".join(METRICS) + " | build s |")
        print("|---|" + "---|" * (len(METRICS) + 1))
        for name, block in ROWS:
            seconds = [block(run).get("build_seconds") for run in of_spec]
            if name.startswith("**"):
                seconds = [run["timings"]["bundle_seconds"] for run in of_spec]
            built = "" if seconds[0] is None else f"{statistics.fmean(seconds):.1f}"
            cells = [mean(block(run)[metric] for run in of_spec) for metric in METRICS]
            print(f"| {name} | " + " | ".join(cells) + f" | {built} |")
        for name, other in (("float", ROWS[0][1]), ("OPQ", ROWS[4][1]), ("RQ", ROWS[3][1])):
            ratio = mean((run["index"]["recall@100"] / other(run)["recall@100"] for run in of_spec), 3)
            print(f"\nindex recall@100 / that of {name}: {ratio}")


def float_models() -> None:
    """NDCG@10 of the float model by tower, from every run that trained one."""
    print("\nFloat model, NDCG@10\n\n| | | seeds |\n|---|---|---|")
    for tower in ("history", "sequence"):
        blocks = {run["seed"]: run["float"] for run in runs(f"float-{tower}-*.json")}
        # The float twin of a joint run is the same training.
        for run in runs(f"movielens-{tower}-*.json"):
            blocks.setdefault(run["seed"], next(iter(run["specs"].values()))["float"])
        if blocks:
            print(f"| {tower} tower | {mean(block['ndcg@10'] for block in blocks.values())} | {len(blocks)} |")


FROZEN = ("recall@100", "recall@10", "mrr@10", "neighbour_recall@10")


def frozen() -> None:
    """What `poeem bench` found on frozen embeddings, a table a data set."""
    for name in sorted({folder.name.partition("-")[0] for folder in RESULTS.glob("*-frozen*")}):
        records = [
            record
            for file in sorted(RESULTS.glob(f"{name}-frozen*/bench.json"))
            for record in json.loads(file.read_text(encoding="utf-8"))["records"]
        ]
        rows = {(record["bytes_per_vector"], record["method"]): [] for record in records}
        for record in records:
            rows[record["bytes_per_vector"], record["method"]].append(record)
        print(f"\nFrozen embeddings, {name}\n\n| bytes | | " + " | ".join(FROZEN) + " | build s | seeds |")
        print("|---|" + "---|" * (len(FROZEN) + 3))
        for size, method in sorted(rows, key=lambda key: (key[0], -rows[key][0]["recall@100"])):
            found = {record["seed"]: record for record in rows[size, method]}.values()
            cells = [mean(record[metric] for record in found) for metric in FROZEN]
            seconds = f"{statistics.fmean(record['build_seconds'] for record in found):.0f}"
            print(f"| {size} | {method} | " + " | ".join(cells) + f" | {seconds} | {len(found)} |")


def table(pattern: str, rows: Callable[[dict[str, Any]], dict[str, float]], title: str) -> None:
    """One line a named number, over the seeds."""
    found = [rows(run) for run in runs(pattern)]
    if found:
        print(f"\n{title}\n\n| | | seeds |\n|---|---|---|")
        for name in found[0]:
            values = [run[name] for run in found if name in run]
            print(f"| {name} | {mean(values)} | {len(values)} |")


def main() -> None:
    for kind in ("additive", "history", "sequence"):
        movielens(kind)
    float_models()
    frozen()
    table(
        "tutorial-*.json",
        lambda run: {name: row["precision@100"] for name, row in run["rows"].items()},
        "The original's tutorial, precision@100",
    )
    table(
        "step_overhead-*.json",
        lambda run: {row["tower"]: row["wall_ratio"] for row in run["results"]},
        "Training step with OPQ8,IVF64,PQ8 / with an identity, wall time",
    )
    table(
        "encode-*.json",
        lambda run: {name: row["ratio"] for name, row in run["rows"].items()},
        "Encode, rows/s / those of faiss",
    )
    table("write_faiss-*.json", lambda run: {"ratio": run["ratio"]}, "1,000,000 items: faiss train + add / ours")
    table(
        "givens-*.json",
        lambda run: {f"dim {row['dim']}": row["svd_over_greedy"] for row in run["rows"]},
        "SVD time / Givens step (greedy)",
    )


if __name__ == "__main__":
    main()

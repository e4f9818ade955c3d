"""The tables of `docs/papers.md` from `benchmarks/results`, written into their marked blocks.

python benchmarks/papers_summary.py
"""

from __future__ import annotations

from blocks import fill_page, row, rule
from results_of import mean, runs

DATA = {"ml-1m": "MovieLens-1M", "complete-journey": "Complete Journey"}
SPLITS = {"last": "leave-last-out", "time": "one cut in time"}
TABLE = {
    "labels p@100": "p@100, labels",
    "labels r@100": "r@100, labels",
    "labels ndcg@10": "NDCG@10, labels",
    "neighbours p@100": "p@100 = r@100, neighbours",
}


def paper_table() -> str:
    """A table a data set and split, by bytes."""
    parts = []
    kinds = {(run["settings"]["dataset"], run["settings"]["split"]) for run in runs("paper_table-*.json")}
    for dataset, split in sorted(kinds):
        found = [
            run
            for run in runs("paper_table-*.json")
            if (run["settings"]["dataset"], run["settings"]["split"]) == (dataset, split)
        ]
        lines = [
            f"**{DATA.get(dataset, dataset)}, {SPLITS[split]}, {found[0]['queries']:,} test users, "
            f"seeds: {len(found)}**",
            "",
            row("bytes", "", *TABLE.values()),
            rule(2 + len(TABLE)),
        ]
        for key, one in sorted(found[0]["rows"].items(), key=lambda item: -item[1]["bytes"]):
            of_row = [run["rows"][key] for run in found if key in run["rows"]]
            lines.append(row(one["bytes"], _shown(one["name"]), *(mean(row[m] for row in of_row) for m in TABLE)))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _shown(name: str) -> str:
    return {"float": "float model", "scann": "ScaNN"}.get(
        name, name.upper() if name.islower() and name != "ours" else name
    )


def ablations() -> str:
    """A table a recipe that is the base."""
    parts = []
    for recipe, title in (("paper", "the paper's recipe"), ("ours", "the recipe of `poeem train`")):
        found = runs(f"ablations-{recipe}-*.json")
        if not found:
            continue
        said = found[0]["settings"]
        lines = [
            f"**Base: {title}; {DATA.get(said['dataset'], said['dataset'])}, {said['spec']}, "
            f"{said['epochs']:g} epochs, {said['part']}, seeds: {len(found)}**",
            "",
            row("changed", "to", "recall@100", "NDCG@10", "neighbour recall@10"),
            rule(5),
        ]
        for key, one in found[0]["rows"].items():
            of_row = [run["rows"][key] for run in found if key in run["rows"]]
            cells = [mean(row[m] for row in of_row) for m in ("recall@100", "ndcg@10", "neighbour_recall@10")]
            name = {"base: base": "nothing: the index", "base: float": "no index: the float model"}.get(
                key, one["name"]
            )
            lines.append(row("" if one["group"] == "base" else one["group"], name, *cells))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def indexing_time() -> str:
    """Seconds by the number of items."""
    found = runs("indexing_time-*.json")
    if not found:
        return ""
    sizes = list(found[0]["seconds"])
    lines = [
        f"**Seconds, {found[0]['settings']['threads']} thread, runs: {len(found)}**",
        "",
        row("", *(f"{int(size):,} items" for size in sizes)),
        rule(1 + len(sizes)),
    ]
    for name in found[0]["seconds"][sizes[0]]:
        cells = []
        for size in sizes:
            of_cell = [run["seconds"][size][name] for run in found if name in run["seconds"].get(size, {})]
            cells.append(mean((one["build"] + one["write"] for one in of_cell), 2) if of_cell else "")
        lines.append(row(f"**{name}**" if name.startswith("ours") else f"{name}, built afterwards", *cells))
    return "\n".join(lines)


def rotation_learning() -> str:
    """Distortion by iteration and milliseconds of the processor, a table a start."""
    starts = {
        "identity": "the coordinates as they come",
        "axes": "balanced principal axes",
        "random": "a random rotation",
    }
    parts = []
    for start, title in starts.items():
        found = runs(f"rotation_learning-{start}-*.json")
        if not found:
            continue
        said = found[0]["settings"]
        places = [place for place in (0, 10, 20, 50, 100) if place <= said["iterations"]]
        lines = [
            f"**GloVe, {said['rows']:,} vectors, start: {title}, seeds: {len(found)}**",
            "",
            row("", *(f"after {place}" for place in places), "rotation ms", "iteration ms"),
            rule(3 + len(places)),
        ]
        for name in found[0]["curves"]:
            curves = [run["curves"][name] for run in found if name in run["curves"]]
            cells = [mean(one["distortion"][place] for one in curves) for place in places]
            times = [mean((one[part] for one in curves), 1) for part in ("rotation_ms", "iteration_ms")]
            lines.append(row(name, *cells, *times))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main() -> None:
    fill_page(
        "docs/papers.md",
        {
            "TABLE": paper_table(),
            "ABLATIONS": ablations(),
            "INDEXING": indexing_time(),
            "ROTATION": rotation_learning(),
        },
    )


if __name__ == "__main__":
    main()

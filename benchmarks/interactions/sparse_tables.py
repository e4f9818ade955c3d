"""Tables of sparse catalogues: shares of the float model that an index keeps, also by popularity of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.interactions.sparse_catalogues import GROUPS
from benchmarks.interactions.sparse_data import EVENTS, TAIL
from benchmarks.markdown import table
from benchmarks.read import Results, Run, mean

TITLES = {name: f"Complete Journey, {count} events an item" for name, count in EVENTS.items()}
TITLES[TAIL] = "MovieLens-1M, least popular two thirds"
Line = tuple[object, ...]
RECALL, NDCG, NEIGHBOURS = "recall@100", "ndcg@10", "neighbour_recall@10"


def sparse(results: Results) -> str:
    """Tables: all catalogues and sizes, the same by popularity, and what was tried at 4 bytes."""
    found = {title: results.runs(f"sparse-{name}") for name, title in TITLES.items()}
    found = {title: runs for title, runs in found.items() if runs}
    if not found:
        return ""
    ratios = ("index / float", "refined RQ / float")
    head = (
        "",
        "seeds",
        "recall@100, float",
        *ratios,
        "NDCG@10, float",
        *ratios,
        "neighbour recall, index",
        "refined RQ",
    )
    by_target = "recall@100, index / float, by the training events of the target: three groups of as many queries"
    tried = "Other settings, and `poeem fit` on the float twin, all at 4 bytes: shares of the float twin's figures"
    parts = [
        table("What the jointly trained index keeps", head, _lines(found, _kept)),
        table(by_target, ("", "seeds", *GROUPS), _lines(found, _groups)),
        table(tried, ("", "", "seeds", "recall@100", "NDCG@10", "neighbour recall"), _lines(found, _tried)),
    ]
    return "\n\n".join(parts)


def _lines(found: dict[str, list[Run]], of: Callable[[str, list[Run]], Iterator[Line]]) -> list[Line]:
    return [line for title, runs in found.items() for line in of(title, runs)]


def _rows(runs: list[Run]) -> dict[str, list[Run]]:
    """The rows of all seeds by name, each with the float twin's figures."""
    rows: dict[str, list[Run]] = {}
    for run in runs:
        twin = next(iter(run["rows"].values()))["float"]
        for name, row in run["rows"].items():
            rows.setdefault(name, []).append(row | {"float": twin})
    return rows


def _kept(title: str, runs: list[Run]) -> Iterator[Line]:
    for spec, rows in _rows(runs).items():
        if ", " in spec:
            continue
        cells: list[str] = []
        for metric in (RECALL, NDCG):
            cells.append(mean(row["float"][metric] for row in rows))
            cells += [_share(rows, of, metric) for of in (_index, _refined)]
        cells += [mean((of(row)[NEIGHBOURS] for row in rows), 3) for of in (_index, _refined)]
        yield (f"{title}, {spec}", len(rows), *cells)


def _groups(title: str, runs: list[Run]) -> Iterator[Line]:
    for spec, rows in _rows(runs).items():
        if ", " in spec:
            continue
        groups = [[row["by_popularity"][of] for row in rows] for of in GROUPS]
        most = [max(group["most_events"] for group in of) for of in groups[:-1]]
        bounds = (f"to {most[0]} events", f"to {most[1]}", "more")
        shares = [_share(of, _index, RECALL) for of in groups]
        yield (f"{title}, {spec}", len(rows), *(f"{share} ({bound})" for share, bound in zip(shares, bounds)))


def _tried(title: str, runs: list[Run]) -> Iterator[Line]:
    rows = _rows(runs)
    first = next(iter(rows))
    named = {"the recipe": (rows[first], _index), "refined RQ": (rows[first], _refined)}
    named |= {name.partition(", ")[2]: (of, _index) for name, of in rows.items() if ", " in name}
    for name, (of, view) in named.items():
        neighbours = mean((view(row)[NEIGHBOURS] for row in of), 3)
        yield (title, name, len(of), *(_share(of, view, metric) for metric in (RECALL, NDCG)), neighbours)


def _share(rows: list[Run], of: Callable[[Run], Run], metric: str) -> str:
    """Figure over that of the float twin."""
    return mean((of(row)[metric] / row["float"][metric] for row in rows), 3)


def _index(row: Run) -> Run:
    return row["index"]


def _refined(row: Run) -> Run:
    return row["baselines"]["rq-refined"]

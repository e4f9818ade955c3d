"""The README's table: ten figures, ours beside the best post-hoc index and exact float search, losses included."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator

from benchmarks.markdown import table
from benchmarks.read import Results, Run
from poeem.bench.equal_recall import at_equal_recall
from poeem.bench.summary import summarise

HEAD = ("", "ours", "best post-hoc index", "float vectors")
Line = tuple[str, str, str, str]
POST_HOC = {"rq-refined": "refined RQ", "rq": "RQ", "opq": "OPQ", "opq-fastscan": "OPQ, FastScan", "scann": "ScaNN"}
RECALL, NDCG = "recall@100", "ndcg@10"
# Column of the table of speeds: 85 % of the float recall, which all compared methods reach.
LEVEL = 2
PARTS = ("build", "write")


def highlights(results: Results) -> str:
    """The table; a line without results is left out."""
    return table("", HEAD, [*wins(results), *losses(results)])


def wins(results: Results) -> Iterator[Line]:
    """Lines in which ours is better."""
    yield from trained(results, "movielens-additive", "RQ4", NDCG, "MovieLens-1M, 4 bytes: NDCG@10")
    yield from trained(results, "movielens-additive", "RQ8", RECALL, "MovieLens-1M, 8 bytes: recall@100")
    yield from trained(results, "journey", "RQ4", NDCG, "Complete Journey (baskets), 4 bytes: NDCG@10")
    yield from frozen(results, "poeem-rq", 8, "Frozen text vectors, 8 bytes, no labels: recall@100")
    yield from frozen(results, "poeem-rq-labels", 16, "the same, 16 bytes, with labels")
    yield from speed(
        results, "poeem-fastscan", "Frozen text vectors with lists, 16 bytes, no labels: queries/s at recall@100"
    )
    yield from seconds(results, "ours, PQ", "1,000,000 vectors to a served file, `OPQ,PQ`, 8 bytes: seconds")


def losses(results: Results) -> Iterator[Line]:
    """Lines in which ours is worse."""
    yield from seconds(results, "ours, RQ", "**loses:** the same with `RQ`")
    yield from trained(
        results, "movielens-history", "OPQ8,PQ8", RECALL, "**loses:** MovieLens-1M, `OPQ8,PQ8`: recall@100"
    )
    yield from scan(results, "IVF,RQ8", "**loses:** 500,000 x 64, 1,024 lists, 16 visited, `RQ8`: ms per query")


def trained(results: Results, name: str, spec: str, metric: str, title: str) -> Iterator[Line]:
    """An index trained with its model, and the best index on the float twin."""
    rows = [run["rows"][spec] for run in results.runs(name) if spec in run["rows"]]
    if rows:
        shared = [key for key in POST_HOC if all(key in row["baselines"] for row in rows)]
        others = {key: _mean(rows, lambda row, key=key: row["baselines"][key][metric]) for key in shared}
        ours, exact = (_mean(rows, lambda row, of=of: row[of][metric]) for of in ("index", "float"))
        yield _line(title, ours, others, exact, _share)


def frozen(results: Results, method: str, size: int, title: str) -> Iterator[Line]:
    """A fit to the Debian descriptions, and the best quantizer of faiss or ScaNN with as many bytes."""
    found: dict[str, list[float]] = {}
    for record in results.bench("debian", "frozen"):
        if not (record["nlist"] or record["rescore"]) and (
            record["method"] == "float" or record["bytes_per_vector"] == size
        ):
            found.setdefault(record["method"], []).append(record[RECALL])
    if method in found:
        means = {name: statistics.fmean(values) for name, values in found.items()}
        yield _line(title, means[method], means, means["float"], _share)


def speed(results: Results, method: str, title: str) -> Iterator[Line]:
    """Queries per second at one recall, 16 bytes, and the fastest of faiss and ScaNN."""
    rows = summarise(results.bench("debian", "speed"))
    if rows:
        levels, found = at_equal_recall(rows)
        at_level = {name: speeds[LEVEL] for name, size, speeds in found if size == 16 or name == "float"}
        reached = {name: value for name, value in at_level.items() if value}
        level = f"{levels[LEVEL]:.3f}".removeprefix("0")
        yield _line(f"{title} {level}", reached[method], reached, reached["float"], lambda value: f"{value:,.0f}")


def scan(results: Results, name: str, title: str) -> Iterator[Line]:
    """Milliseconds of a single query with lists, and those of OPQ."""
    runs = results.runs("scan")
    if runs:
        ours, opq = (_mean(runs, lambda run, one=one: run["rows"][one]["single_ms"]) for one in (name, "OPQ8,IVF,PQ8"))
        yield (title, f"{ours:.2f}", f"{opq:.2f} (OPQ)", "")


def seconds(results: Results, name: str, title: str) -> Iterator[Line]:
    """Seconds from a million vectors to a file that can be served, and those of OPQ."""
    runs = results.runs("indexing_time")
    if runs:
        ours, opq = (
            _mean(runs, lambda run, one=one: sum(run["rows"][f"{one}, 1,000,000 items"][part] for part in PARTS))
            for one in (name, "OPQ")
        )
        yield (title, f"{ours:.1f}", f"{opq:.1f} (OPQ)", "")


def _line(title: str, ours: float, others: dict[str, float], exact: float, shown: Callable[[float], str]) -> Line:
    best = max((key for key in POST_HOC if key in others), key=others.__getitem__)
    return title, shown(ours), f"{shown(others[best])} ({POST_HOC[best]})", shown(exact)


def _share(value: float) -> str:
    """``.123``."""
    return f"{value:.3f}".removeprefix("0")


def _mean(rows: Iterable[Run], value: Callable[[Run], float]) -> float:
    return statistics.fmean(map(value, rows))

"""``poeem bench``: methods against each other on vectors that stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poeem.cli.errors import Failure
from poeem.cli.options import Json, words
from poeem.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from poeem.bench.problem import Problem
    from poeem.bench.store import Store
    from poeem.bench.summary import Row

DEFAULT = "pq,opq,rq,truncate-pq,lsh,rabitq,binary,sq8,poeem-rq"
SIZES = "4,8,16,32"


def bench(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of table and pictures; goes on where it was.")],
    items: Annotated[Path | None, typer.Option(metavar="ITEMS.npy", help="Vectors to index (n, dim).")] = None,
    queries: Annotated[Path | None, typer.Option(metavar="Q.npy", help="Vectors to test with (nq, dim).")] = None,
    relevance: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Relevant pairs: columns query, item (row numbers).")
    ] = None,
    train_queries: Annotated[
        Path | None, typer.Option(metavar="T.npy", help="For methods that learn from queries; none of Q.npy.")
    ] = None,
    train_relevance: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Relevant pairs of the training queries.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Vectors by name, in place of files: debian, wordnet or glove.")
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            metavar="DIR",
            help="A run of `poeem train`, in place of files: methods get the vectors of its float twin, and its own "
            "index is the method joint. May be given again, for runs of other bytes.",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Names; a wrong one lists them all (lsq is slow).",
            show_default=f"{DEFAULT}, with --run joint too",
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="N,N", help="Bytes per vector.", show_default=f"{SIZES}, or those of the runs"),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors in Parquet files.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="ip, cosine or l2.", show_default="ip, or that of the runs")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N,N", help="The table has their mean and standard deviation.")] = "0",
    nlist: Annotated[int, typer.Option(help="Inverted lists, for the methods that have them; 0 is flat.")] = 0,
    nprobe: Annotated[
        str | None, typer.Option(metavar="N,N", help="Lists visited a query; default powers of two.")
    ] = None,
    rescore: Annotated[str, typer.Option(metavar="K,K", help="Re-rank the best K by float vectors; 0 is none.")] = "0",
    speed: Annotated[bool, typer.Option("--speed/--no-speed", help="Measure queries a second, one thread.")] = True,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw pictures (needs the extra bench).")] = True,
    json: Json = False,
) -> None:
    """Compare quantizers on frozen vectors or a trained run: one table, bench.csv, bench.json and pictures."""
    from poeem.bench.run import run_bench

    plots = plots and _can_draw()
    files = (items, queries, relevance, train_queries, train_relevance)
    problem, own = _of_runs(runs, files, dataset, column) if runs else (_problem(*files, dataset, column), None)
    if own is not None and metric not in (None, own):
        raise ValueError(f"metric (={metric!r}) is not what the runs were trained for (={own!r}); leave --metric out")
    store = run_bench(
        problem,
        words(methods or (f"{DEFAULT},joint" if runs else DEFAULT)),
        out,
        sizes=numbers(sizes or SIZES, "bytes") if sizes or not runs else sorted({size for size, _ in problem.trained}),
        metric=metric or own or "ip",
        seeds=numbers(seeds, "seeds"),
        nlist=nlist,
        nprobe=None if nprobe is None else numbers(nprobe, "nprobe"),
        rescore=numbers(rescore, "rescore"),
        speed=speed,
        command=context.obj,
        say=say,
    )
    if plots:
        from poeem.bench.plots import draw_all

        for path in draw_all(store, out):
            say(f"{path}")
    print_json({"settings": store.settings, "records": store.records}) if json else _print(store, out)


def numbers(text: str, name: str) -> list[int]:
    """Whole numbers of a list separated by commas.

    >>> numbers("4, 8", "bytes")
    [4, 8]
    """
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} (={text!r}) must be whole numbers separated by commas, such as 4,8") from None


def _problem(
    items: Path | None,
    queries: Path | None,
    relevance: Path | None,
    train_queries: Path | None,
    train_relevance: Path | None,
    dataset: str | None,
    column: str | None,
) -> Problem:
    from poeem.bench.problem_sources import problem_from_dataset, problem_from_files

    if dataset is not None:
        if any(file is not None for file in (items, queries, relevance, train_queries, train_relevance, column)):
            raise ValueError("--dataset NAME brings its own vectors; leave files and --column out")
        try:
            return problem_from_dataset(dataset)
        except RuntimeError as error:
            raise Failure(str(error)) from error
    if items is None or queries is None:
        raise ValueError("give --items ITEMS.npy and --queries Q.npy, or --dataset NAME, or --run DIR")
    return problem_from_files(
        items, queries, relevance, train_queries=train_queries, train_relevance=train_relevance, column=column
    )


def _of_runs(
    runs: list[Path], files: tuple[Path | None, ...], dataset: str | None, column: str | None
) -> tuple[Problem, str]:
    from poeem.bench.run_problem import problem_from_runs

    if any(one is not None for one in (*files, dataset, column)):
        raise ValueError("--run DIR brings its own vectors; leave files, --dataset and --column out")
    return problem_from_runs(runs)


def _can_draw() -> bool:
    """Whether matplotlib is installed; if not, one line says how to get the pictures."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is not None:
        return True
    say("no pictures: matplotlib is not installed (pip install 'poeem-torch[bench]'); the tables are written")
    return False


def _print(store: Store, out: Path) -> None:
    from poeem.bench.summary import metrics_of, summarise
    from poeem.cli.report import print_few_queries

    settings = store.settings
    problem = settings["problem"]
    lists = f", nlist {settings['nlist']}" if settings["nlist"] else ""
    depth = settings["rescore"]
    ranked = f", best {depth} re-ranked by float vectors" if isinstance(depth, int) and depth else ""
    rows = summarise(store.records)
    spread = "; mean ± standard deviation over seeds" if any(row.seeds > 1 for row in rows) else ""
    title = (
        f"{problem['name']}: {problem['items']:,} items of dim {problem['dim']}, {problem['queries']:,} queries "
        f"({settings['metric']}{lists}{ranked}){spread} -> {out}"
    )
    names = metrics_of(store.records)
    again = isinstance(settings["rescore"], list)
    first = (
        "method",
        "bytes",
        *(("nprobe", "scanned") if settings["nlist"] else ()),
        *(("re-ranked",) if again else ()),
    )
    print_table(title, (*first, *names, "build s", "queries/s"), [_cells(row, names, first) for row in rows])
    if (settings["nlist"] or again) and any("qps" in row.means for row in rows):
        _print_speeds(rows)
    print_few_queries([{"queries": row.queries} for row in rows if row.few])
    if problem["warning"]:
        print(f"note: {problem['warning']}")


def _print_speeds(rows: list[Row]) -> None:
    from poeem.bench.equal_recall import at_equal_recall, found_metric

    levels, speeds = at_equal_recall(rows)
    shown = [
        [method, "best" if size is None else str(size), *("" if qps is None else f"{qps:.0f}" for qps in found)]
        for method, size, found in speeds
    ]
    title = f"queries/s at equal {found_metric(rows)}: one thread, best nprobe and re-ranking"
    print_table(title, ("method", "bytes", *(f"{level:.3f}" for level in levels)), shown)


def _cells(row: Row, names: list[str], first: tuple[str, ...]) -> list[str]:
    def shown(name: str, digits: str) -> str:
        if name not in row.means:
            return ""
        spread = f" ± {row.spreads[name]:{digits}}" if name in row.spreads else ""
        interval = " ({:.2f}-{:.2f})".format(*row.intervals[name]) if row.few and name in row.intervals else ""
        return f"{row.means[name]:{digits}}{spread}{interval}"

    facts: dict[str, Any] = {
        "method": row.method,
        "bytes": row.bytes_per_vector,
        "nprobe": "" if row.nprobe is None else row.nprobe,
        "scanned": f"{row.means['scanned']:.0f}",
        "re-ranked": row.rescore or "",
    }
    found = [*(facts[name] for name in first), *(shown(name, ".4f") for name in names), shown("build_seconds", ".1f")]
    found.append(f"{row.means['qps']:.0f}" if "qps" in row.means else "")
    return [str(one) for one in found]

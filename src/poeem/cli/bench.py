"""``poeem bench``: compare methods on fixed vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poeem.cli.command import options_of
from poeem.cli.errors import Failure
from poeem.cli.options import Json
from poeem.cli.output import print_json, print_table, say
from poeem.option import option
from poeem.training.options.run import names

if TYPE_CHECKING:
    from poeem.bench.problem import Problem
    from poeem.bench.store import Store
    from poeem.bench.summary import Row

DEFAULT = "pq,opq,rq,truncate-pq,lsh,rabitq,binary,sq8,poeem-rq"
SIZES = "4,8,16,32"


@dataclass(frozen=True)
class BenchOptions:
    """Vectors, methods and measurements of a benchmark."""

    out: Path | None = option(
        None, "Folder for table and pictures. A second call measures what is missing.", metavar="DIR"
    )
    items: Path | None = option(None, "Vectors to index (n, dim).", metavar="ITEMS.npy")
    queries: Path | None = option(None, "Vectors to test with (nq, dim).", metavar="Q.npy")
    relevance: Path | None = option(None, "Relevant pairs: columns query, item (row numbers).", metavar="FILE.parquet")
    train_queries: Path | None = option(
        None, "Training queries for methods that learn from queries; none of Q.npy.", metavar="T.npy"
    )
    train_relevance: Path | None = option(None, "Relevant pairs of the training queries.", metavar="FILE.parquet")
    dataset: str | None = option(None, "Vectors by name, in place of files: debian, wordnet or glove.", metavar="NAME")
    runs: list[Path] | None = option(
        None,
        "A run of `poeem train`, in place of files: methods get the vectors of its float twin, and its own index is "
        "the method joint. May be repeated, for runs with other bytes.",
        flag="--run",
        metavar="DIR",
    )
    methods: str | None = option(
        None,
        "Names of methods. An unknown name lists them all. lsq is slow.",
        metavar="A,B",
        shown=f"{DEFAULT}, with --run joint too",
    )
    sizes: str | None = option(
        None, "Bytes per vector.", flag="--bytes", metavar="N,N", shown=f"{SIZES}, or those of the runs"
    )
    column: str | None = option(None, "Column of the vectors in Parquet files.")
    metric: str | None = option(None, "Similarity.", choices=("ip", "cosine", "l2"), shown="ip, or that of the runs")
    seeds: str = option("0", "Seeds. The table has mean and standard deviation over them.", metavar="N,N")
    nlist: int = option(0, "Inverted lists, for methods that can have them; 0 is a flat index.")
    nprobe: str | None = option(None, "Lists visited per query.", metavar="N,N", shown="powers of two")
    rescore: str = option("0", "Re-rank the best K items by float vectors; 0: do not.", metavar="K,K")
    speed: bool = option(True, "Measure queries per second, one thread.", flag="--speed/--no-speed")
    plots: bool = option(True, "Draw pictures (needs the extra bench).", flag="--plots/--no-plots")


@options_of(BenchOptions)
def bench(given: dict[str, Any], *, context: typer.Context, json: Json = False) -> None:
    """Compare quantizers on frozen vectors or a trained run: one table, bench.csv, bench.json and pictures."""
    from poeem.bench.run import run_bench

    options = BenchOptions(**given)
    out, runs = options.out, options.runs
    if out is None:
        raise ValueError("give the folder of table and pictures: --out DIR")
    problem, trained_metric = _problem_from_runs(options) if runs else (_problem(options), None)
    if trained_metric is not None and options.metric not in (None, trained_metric):
        raise ValueError(
            f"metric (={options.metric!r}) is not that of the runs (={trained_metric!r}); leave --metric out"
        )
    sizes = options.sizes or SIZES
    methods = names((f"{DEFAULT},joint" if runs else DEFAULT) if options.methods is None else options.methods)
    plots = options.plots and _can_draw()
    store = run_bench(
        problem,
        methods,
        out,
        sizes=sorted({n for n, _ in problem.joint_indexes}) if runs and not options.sizes else numbers(sizes, "bytes"),
        metric=options.metric or trained_metric or "ip",
        seeds=numbers(options.seeds, "seeds"),
        nlist=options.nlist,
        nprobe=None if options.nprobe is None else numbers(options.nprobe, "nprobe"),
        rescore=numbers(options.rescore, "rescore"),
        speed=options.speed,
        command=context.obj,
        log=say,
    )
    if plots:
        from poeem.bench.plots import draw_all

        for path in draw_all(store, out):
            say(f"{path}")
    print_json({"settings": store.settings, "records": store.records}) if json else _print(store, out)


def numbers(text: str, name: str) -> list[int]:
    """Return the whole numbers in a list that is separated by commas. ``name`` is for the ValueError of a bad text.

    >>> numbers("4, 8", "bytes")
    [4, 8]
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} (={text!r}) must be whole numbers separated by commas, such as 4,8") from None


FILES = ("items", "queries", "relevance", "train_queries", "train_relevance", "column")


def _problem(options: BenchOptions) -> Problem:
    from poeem.bench.problem_sources import problem_from_dataset, problem_from_files

    if options.dataset is not None:
        if any(getattr(options, name) is not None for name in FILES):
            raise ValueError("--dataset NAME has its own vectors; leave files and --column out")
        try:
            return problem_from_dataset(options.dataset)
        except RuntimeError as error:
            raise Failure(str(error)) from error
    if options.items is None or options.queries is None:
        raise ValueError("give --items ITEMS.npy and --queries Q.npy, or --dataset NAME, or --run DIR")
    return problem_from_files(
        options.items,
        options.queries,
        options.relevance,
        train_queries=options.train_queries,
        train_relevance=options.train_relevance,
        column=options.column,
    )


def _problem_from_runs(options: BenchOptions) -> tuple[Problem, str]:
    from poeem.bench.run_problem import problem_from_runs

    if any(getattr(options, name) is not None for name in (*FILES, "dataset")):
        raise ValueError("--run DIR has its own vectors; leave files, --dataset and --column out")
    return problem_from_runs(options.runs or [])


def _can_draw() -> bool:
    """Whether matplotlib is installed; if not, one line says how to get the pictures."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is not None:
        return True
    say("no pictures: matplotlib is not installed (pip install 'poeem-torch[bench]'); the tables are written")
    return False


def _print(store: Store, out: Path) -> None:
    from poeem.bench.summary import metrics_of, summarise
    from poeem.cli.print_metrics import print_few_queries

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
    several_depths = isinstance(settings["rescore"], list)
    first = (
        "method",
        "bytes",
        *(("nprobe", "scanned") if settings["nlist"] else ()),
        *(("re-ranked",) if several_depths else ()),
    )
    print_table(title, (*first, *names, "build s", "queries/s"), [_cells(row, names, first) for row in rows])
    if (settings["nlist"] or several_depths) and any("qps" in row.means for row in rows):
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
    cells = [*(facts[name] for name in first), *(shown(name, ".4f") for name in names), shown("build_seconds", ".1f")]
    cells.append(f"{row.means['qps']:.0f}" if "qps" in row.means else "")
    return [str(cell) for cell in cells]

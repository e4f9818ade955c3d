"""``poeem explain``: show where recall is lost, and what to change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.cli.command import options_of
from poeem.cli.options import CHECK_FLAG, Json
from poeem.cli.output import print_json, print_table, say
from poeem.option import option

if TYPE_CHECKING:
    from poeem.explain import Explanation, Reached


@dataclass(frozen=True)
class ExplainOptions:
    """Index, data, and how to measure."""

    folder: Path | None = option(None, "Folder of a run or bundle.", flag="", metavar="DIR")
    target: str | None = option(
        None, "Show how to reach a target: recall=0.95, bytes=16 or latency-ms=2.", metavar="NAME=VALUE"
    )
    items: Path | None = option(
        None, "The items' vectors, .npy or .parquet; default: those of the run.", metavar="FILE"
    )
    queries: Path | None = option(None, "Query vectors; default: items serve as queries.", metavar="FILE")
    relevance: Path | None = option(None, "Labels: columns query, item (row numbers).", metavar="FILE")
    column: str | None = option(None, "Column of the vectors in Parquet files.")
    faiss: Path | None = option(
        None,
        "Explain this faiss file; DIR is then the run or bundle that it was exported from, if any.",
        metavar="FILE",
    )
    check: bool = option(
        True,
        "Compare the faiss file whole with the checksum of its report; --no-check compares a sample of its blocks.",
        flag=CHECK_FLAG,
    )
    metric: str | None = option(
        None, "Similarity of exact search.", choices=("ip", "l2", "cosine"), shown="the index's"
    )
    nprobe: int | None = option(None, "Inverted lists visited per query.", shown="the run's")
    k: int = option(10, "Neighbours of a query that should be found.", flag="-k")
    max_items: int | None = option(None, "Items to measure with.", shown="100000")
    max_queries: int = option(1_000, "Queries to measure with.")
    seed: int = option(0, "Seed of every sample and fit.")


@options_of(ExplainOptions)
def explain(given: dict[str, Any], *, json: Json = False) -> None:
    """Measure the recall lost between exact float search and the index in use, by cause, and what would recover it."""
    from poeem.explain import explain as explain_index
    from poeem.explain import explain_target

    folder, target = given.pop("folder", None), given.pop("target", None)
    if "items" in given:
        given["vectors"] = given.pop("items")
    given["log"] = lambda line: say(f"explain: {line}")
    if target is not None:
        reached = explain_target(folder, target=target, **given)
        print_json(reached.as_json()) if json else _print_target(reached)
        return
    found = explain_index(folder, **given)
    print_json(found.as_json()) if json else _print(found)


def _print(found: Explanation) -> None:
    from poeem.explain import text

    print(text.title(found), end="\n\n")
    print_table(*text.loss_table(found))
    print()
    for line in text.sentences(found):
        print(line)
    print()
    print_table(*text.remedy_table(found))


def _print_target(found: Reached) -> None:
    from poeem.explain.target import text

    print(text.title(found), end="\n\n")
    for table in text.tables(found):
        print_table(*table)
        print()
    for line in text.sentences(found):
        print(line)

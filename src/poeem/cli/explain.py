"""``poeem explain``: where recall is lost, and what to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poeem.cli.options import Json, Nprobe
from poeem.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from poeem.explain import Explanation, Reached


def explain(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder of a run or bundle.", show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE", help="recall=0.95, bytes=16 or latency-ms=2: say how to get there."),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The items' vectors, .npy or .parquet; a run brings its own.", show_default=False
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Query vectors; without, items play queries.", show_default=False),
    ] = None,
    relevance: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labels: columns query, item (row numbers).", show_default=False),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors in Parquet files.")] = None,
    faiss: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Explain this faiss file; DIR is then where it comes from, if anywhere."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="What exact search should score by: ip, l2 or cosine.", show_default="the index's"),
    ] = None,
    nprobe: Nprobe = None,
    k: Annotated[int, typer.Option("-k", help="Neighbours of a query that are wanted.")] = 10,
    max_items: Annotated[int | None, typer.Option(help="Items to measure with.", show_default="100000")] = None,
    max_queries: Annotated[int, typer.Option(help="Queries to measure with.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Of every draw and fit.")] = 0,
    json: Json = False,
) -> None:
    """Say what is lost between exact float search and the served index, why, and what to change next."""
    from poeem.explain import explain as explain_index
    from poeem.explain import explain_target

    given: dict[str, Any] = {
        "vectors": items,
        "queries": queries,
        "relevance": relevance,
        "column": column,
        "faiss": faiss,
        "nprobe": nprobe,
        "metric": metric,
        "k": k,
        "max_queries": max_queries,
        "seed": seed,
        "tell": lambda line: say(f"explain: {line}"),
    }
    if max_items is not None:
        given["max_items"] = max_items
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

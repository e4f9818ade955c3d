"""``poeem fit``: an index for embeddings that stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.options import Device, Json
from poeem.cli.output import print_json, print_table, say

COLUMNS = ("recall@10", "recall@100", "ndcg@10", "mrr@10", "neighbour_recall@10")


def fit(
    items: Annotated[Path, typer.Option(metavar="FILE", help="Item vectors: .npy, or .parquet with --column.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; must be new.")],
    queries: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Query vectors, for instance from logs; else items play queries."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column of the vectors in Parquet files.")] = None,
    relevance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labels: columns query, item (row numbers) and maybe weight.")
    ] = None,
    index: Annotated[str | None, typer.Option(help="Structure, such as RQ8 or OPQ16,PQ16.", show_default="RQ8")] = None,
    from_faiss: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Start from this index, whose rows are the items in id order.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="ip, l2 or cosine.", show_default="ip")] = None,
    codes: Annotated[
        str | None,
        typer.Option(help="reassigned, or fixed (nothing is encoded again); default fixed for RQ, else reassigned."),
    ] = None,
    assignment: Annotated[
        str, typer.Option(help="How words are chosen: nearest, score-aware or balanced; PQ only but for nearest.")
    ] = "nearest",
    codebooks: Annotated[bool, typer.Option(help="Train the codebooks; without, only the query adapter.")] = True,
    adapter: Annotated[bool, typer.Option(help="Train a matrix for the queries' side.")] = True,
    ranked_codebooks: Annotated[
        bool, typer.Option(help="Let ranking reach the index; without, codebooks learn from --distortion alone.")
    ] = True,
    distill: Annotated[float, typer.Option(metavar="W", help="Weight of ranking as exact search does.")] = 1.0,
    labels: Annotated[float, typer.Option(metavar="W", help="Weight of ranking relevant items first.")] = 1.0,
    distortion: Annotated[float, typer.Option(metavar="W", help="Weight of the squared error.")] = 0.0,
    list_loss: Annotated[
        float, typer.Option(metavar="W", help="With lists: weight of ranking lists as their items are.")
    ] = 1.0,
    temperature: Annotated[float, typer.Option(help="Of the distillation, for unit vectors.")] = 0.02,
    top: Annotated[int, typer.Option(help="The best items of a query by exact search that training draws from.")] = 50,
    epochs: Annotated[float, typer.Option(help="Passes over the queries.")] = 6.0,
    max_queries: Annotated[int, typer.Option(help="Queries used at most.")] = 65_536,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Fit an index to frozen embeddings, from queries alone or with labels."""
    from poeem.cli.report import print_few_queries
    from poeem.evaluation.intervals import format_figure
    from poeem.training.recipes.vector_files import fit_files

    options: dict[str, Any] = {
        "spec": "RQ8" if index is None else index,
        "metric": "ip" if metric is None else metric,
        "start": None,
    }
    if from_faiss is not None:
        from poeem.engines.faiss.index_file import UNPROVEN
        from poeem.engines.faiss.read import from_faiss as read_back

        if index is not None or metric is not None:
            raise ValueError("--from-faiss brings structure and metric along; leave --index and --metric out")
        options["start"] = start = read_back(from_faiss)
        if not start.proven:
            say(f"note: {UNPROVEN}")
    metrics = fit_files(
        items,
        out,
        queries=queries,
        column=column,
        relevance=relevance,
        codes=codes,
        assignment=assignment,
        train_codebooks=codebooks,
        adapter=adapter,
        ranked_codebooks=ranked_codebooks,
        distill_weight=distill,
        label_weight=labels,
        distortion_weight=distortion,
        list_weight=list_loss,
        temperature=temperature,
        top=top,
        epochs=epochs,
        max_queries=max_queries,
        seed=seed,
        device=device,
        **options,
    )
    for note in metrics["notes"]:
        say(f"note: {note}")
    if json:
        print_json(metrics)
        return
    columns = [name for name in COLUMNS if name in metrics["float"]]
    rows = [
        [name, *(format_figure(metrics[block], column) for column in columns)]
        for name, block in (("exact search", "float"), ("index, before", "warm_start"), ("index, fitted", "index"))
    ]
    seconds = sum(metrics["timings"].values())
    title = f"{metrics['spec']} ({metrics['metric']}), by {metrics['judged_by']}, {seconds:.0f} s -> {out}"
    print_table(title, ["", *columns], rows)
    print_few_queries([metrics["index"]])

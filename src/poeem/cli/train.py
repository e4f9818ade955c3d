"""``poeem train``: a model and its index from interactions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.errors import Failure
from poeem.cli.options import Baselines, Device, Json, Nprobe, words
from poeem.cli.output import print_json, say
from poeem.data.file_format import FileFormat


def file_option(name: str) -> Any:
    """The option of a field of FileFormat, with its help text."""
    metadata = FileFormat.__dataclass_fields__[name].metadata
    return typer.Option(help=metadata["help"], rich_help_panel=metadata["panel"], show_default=False)


def train(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; must be new.")],
    index: Annotated[
        str | None,
        typer.Option(help="Structure of the index, such as RQ8, OPQ8,PQ8 or OPQ8,IVF64,PQ8.", show_default="RQ8"),
    ] = None,
    interactions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Parquet, CSV or JSON Lines with columns of users, items and times (and titles); a folder or glob.",
        ),
    ] = None,
    items: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same kinds, with item, title and other columns.")
    ] = None,
    user_column: Annotated[str | None, file_option("user_column")] = None,
    item_column: Annotated[str | None, file_option("item_column")] = None,
    time_column: Annotated[str | None, file_option("time_column")] = None,
    rating_column: Annotated[str | None, file_option("rating_column")] = None,
    title_column: Annotated[str | None, file_option("title_column")] = None,
    min_rating: Annotated[float | None, file_option("min_rating")] = None,
    delimiter: Annotated[str | None, file_option("delimiter")] = None,
    header: Annotated[
        bool, typer.Option("--header/--no-header", help="A CSV file begins with column names.", rich_help_panel="Data")
    ] = True,
    encoding: Annotated[str, file_option("encoding")] = "utf-8",
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A data set by name: ml-1m, ml-100k or complete-journey.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="OLD",
            help="Go on from this run's towers and index, on newer data: the next version.",
            show_default=False,
        ),
    ] = None,
    stability: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="With --from: leave the index as it is, and a row too unless another code saves S times the mean "
            "error; few rows are then rewritten.",
            show_default=False,
        ),
    ] = None,
    tower: Annotated[
        str | None,
        typer.Option(help="history (fast) or sequence (a transformer: slower).", show_default="history"),
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Width of the embeddings.", show_default="64")] = None,
    epochs: Annotated[float | None, typer.Option(help="Length of the training; default by tower.")] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the training, in place of --epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step; default by tower.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate; default by tower.")] = None,
    metric: Annotated[str | None, typer.Option(help="cosine, ip or l2.", show_default="cosine")] = None,
    temperature: Annotated[float, typer.Option(help="Of the softmax.")] = 0.1,
    views: Annotated[str, typer.Option(help="both, or quantized (the original's loss, with --commitment 0).")] = "both",
    share: Annotated[float, typer.Option(help="Of the quantized view in the loss, when both are in it.")] = 0.75,
    commitment: Annotated[float, typer.Option(help="How strongly items are drawn to their words.")] = 1.0,
    estimator: Annotated[
        str | None,
        typer.Option(
            help="ste, task, rotation-trick or soft: how the index and the tower learn through each other.",
            show_default="ste; task with fixed codes",
        ),
    ] = None,
    assignment: Annotated[
        str | None, typer.Option(help="Of words: nearest, score-aware or balanced.", show_default="nearest")
    ] = None,
    codes: Annotated[
        str | None,
        typer.Option(
            help="reassigned at every step, or fixed: items keep those of the warm start.", show_default="reassigned"
        ),
    ] = None,
    rotation: Annotated[
        str, typer.Option(help="givens-greedy, givens-random, givens-steepest, cayley, polar or frozen.")
    ] = "givens-greedy",
    hard_negatives: Annotated[
        int, typer.Option(metavar="K", help="Negatives a query takes from the live index; 0: in-batch ones alone.")
    ] = 0,
    distill: Annotated[float, typer.Option(help="Weight: the index is to rank as the float vectors do.")] = 0.0,
    list_loss: Annotated[
        float | None,
        typer.Option(help="Weight: queries are to find the list of their item.", show_default="0.5 with lists"),
    ] = None,
    balance: Annotated[
        float | None,
        typer.Option(
            help="1: lists are visited by what they hold for each code scanned; 0: by what they hold.",
            show_default="1 with lists",
        ),
    ] = None,
    index_lr: Annotated[float, typer.Option(help="Factor on the learning rate, for the index.")] = 1.0,
    item_table: Annotated[
        str | None, typer.Option(help="full, or compressed (words that items share).", show_default="full")
    ] = None,
    table_bytes: Annotated[
        int | None, typer.Option(metavar="M", help="Words an item of a compressed table; default 8.")
    ] = None,
    nprobe: Nprobe = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Device = "auto",
    baselines: Baselines = "pq,opq,rq",
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many validations without gain, with the best model.")
    ] = None,
    log_with: Annotated[str | None, typer.Option(help="tensorboard or wandb.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out; same options.")] = False,
    json: Json = False,
) -> None:
    """Train a model and its index together, and compare with indexes built afterwards."""
    from poeem.cli.report import print_metrics
    from poeem.training.recipes.interactions import train_interactions

    if (interactions is None) == (dataset is None):
        raise ValueError("give one of --interactions FILE and --dataset NAME")
    if dataset is not None and items is not None:
        raise ValueError("--items goes with --interactions; a data set by name brings its own titles")
    file_format = FileFormat(
        user_column, item_column, time_column, rating_column, title_column, min_rating, delimiter, header, encoding
    )
    try:
        metrics = train_interactions(
            _read(interactions, items, dataset, file_format),
            spec=index,
            out=out,
            # The name alone: a run is resumed from another folder too, and the data are known by their checksum.
            dataset=dataset or str(interactions and interactions.name),
            start=start,
            stability=stability,
            tower=tower,
            dim=dim,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            metric=metric,
            temperature=temperature,
            views=views,
            share=share,
            commitment=commitment,
            estimator=estimator,
            assignment=assignment,
            codes=codes,
            rotation=rotation,
            hard_negatives=hard_negatives,
            distill=distill,
            list_loss=list_loss,
            balance=balance,
            index_lr=index_lr,
            item_table=item_table,
            table_bytes=table_bytes,
            nprobe=nprobe,
            seed=seed,
            device=device,
            baselines=words(baselines),
            patience=patience,
            log_with=log_with,
            resume=resume,
        )
    except KeyboardInterrupt:
        if (out / "checkpoints").is_dir():
            say(f"the run is kept in {out}; go on with the same command and --resume")
        raise
    if not metrics:  # one of several processes, not the first
        return
    print_json(metrics) if json else print_metrics(metrics, out)


def _read(interactions: Path | None, items: Path | None, dataset: str | None, file_format: FileFormat) -> Any:
    from poeem.data.datasets import load_dataset
    from poeem.data.read_interactions import read_interactions

    if interactions is not None:
        return read_interactions(interactions, items, file_format, log=say)
    try:
        return load_dataset(str(dataset))
    except RuntimeError as error:
        raise Failure(str(error)) from error

"""``poeem train``: a model and its index from interactions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.command import HelpAll, options_of
from poeem.cli.errors import Failure
from poeem.cli.options import BASELINES_HELP, Json, PrintConfig, names
from poeem.cli.output import print_json, say
from poeem.cli.settings import SettingsOptions, as_toml
from poeem.data.file_format import FileFormat
from poeem.option import more_option, named, option
from poeem.training.options.groups import GROUPS


@dataclass(frozen=True)
class RunOptions:
    """Data and run."""

    interactions: Path | None = option(
        None,
        "Parquet, CSV or JSON Lines with columns of users, items and times (and titles); a folder or glob.",
        metavar="FILE",
    )
    dataset: str | None = option(None, "A data set by name: ml-1m, ml-100k or complete-journey.", metavar="NAME")
    items: Path | None = more_option(
        None, "Item table: files of the same kinds, with item, title and other columns.", metavar="FILE"
    )
    out: Path | None = option(None, "Folder of the run; must be new.", metavar="DIR")
    previous_run: Path | None = option(
        None,
        "Previous run: train its towers and index further, on newer data, to the next version.",
        flag="--from",
        metavar="OLD",
    )
    stability: float | None = more_option(
        None,
        "With --from: keep the index, and the code of an item unless another code saves this many times the mean "
        "error. Few rows are then rewritten.",
    )
    baselines: str = option("pq,opq,rq", BASELINES_HELP, metavar="A,B")


CONFIG = {"run": RunOptions, "data": FileFormat, **GROUPS}


@options_of(RunOptions, FileFormat, *GROUPS.values(), SettingsOptions, settings=CONFIG)
def train(
    settings: dict[str, Any],
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out; same options.")] = False,
    print_config: PrintConfig = False,
    json: Json = False,
    help_all: HelpAll = False,
) -> None:
    """Train a model and its index together, and compare with post-hoc indexes.

    All options: poeem train --help-all. All settings, for --set and --config: poeem train --print-config.
    """
    if print_config:
        print(as_toml(settings, CONFIG), end="")
        return
    from poeem.cli.report import print_metrics
    from poeem.training.recipes.interactions import train_interactions

    run, file_format, *_ = named(CONFIG.values(), **settings)
    if run.out is None:
        raise ValueError("give the folder of the run: --out DIR")
    if (run.interactions is None) == (run.dataset is None):
        raise ValueError("give one of --interactions FILE and --dataset NAME")
    if run.dataset is not None and run.items is not None:
        raise ValueError("--items goes with --interactions; a data set has its own titles")
    try:
        metrics = train_interactions(
            _read(run, file_format),
            run.out,
            # The file's name without folder: a run can be resumed with the same data in another folder.
            dataset=run.dataset or str(run.interactions and run.interactions.name),
            previous_run=run.previous_run,
            stability=run.stability,
            baselines=names(run.baselines),
            resume=resume,
            **{name: value for name, value in settings.items() if name in _TRAINING_SETTINGS},
        )
    except KeyboardInterrupt:
        if (run.out / "checkpoints").is_dir():
            say(f"the run is kept in {run.out}; resume it with the same command and --resume")
        raise
    if not metrics:  # one of several processes, not the first
        return
    print_json(metrics) if json else print_metrics(metrics, run.out)


_TRAINING_SETTINGS = {name for group in GROUPS.values() for name in group.__dataclass_fields__}


def _read(run: RunOptions, file_format: FileFormat) -> Any:
    from poeem.data.datasets import load_dataset
    from poeem.data.read_interactions import read_interactions

    if run.interactions is not None:
        return read_interactions(run.interactions, run.items, file_format, log=say)
    try:
        return load_dataset(str(run.dataset))
    except RuntimeError as error:
        raise Failure(str(error)) from error

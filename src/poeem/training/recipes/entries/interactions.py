"""The recipe for interactions, as commands know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.data.file_format import FileFormat
from poeem.option import more_option, option
from poeem.training.options.groups import GROUPS
from poeem.training.options.run import RunOptions, names
from poeem.training.recipes.recipe import Answer, QueryVectors, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from poeem.data.interactions import Interactions
    from poeem.training.interactions.run import InteractionRun


@dataclass(frozen=True)
class InteractionFiles:
    """Data."""

    interactions: Path | None = option(
        None,
        "Parquet, CSV or JSON Lines with columns of users, items and times (and titles); a folder or glob.",
        metavar="FILE",
    )
    items: Path | None = more_option(
        None, "Item table: files of the same kinds, with item, title and other columns.", metavar="FILE"
    )
    previous_run: Path | None = more_option(
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


@dataclass(frozen=True)
class InteractionQueries:
    """What to search for."""

    user: str | None = option(None, "Items for a user of the training data.", metavar="ID")
    history: str | None = option(None, "Items for a new user with this history, oldest item first.", metavar="ID,ID")


def read(options: Mapping[str, Any], log: Callable[[str], None]) -> Interactions:
    """Read the interactions of a file or of a data set."""
    from poeem.data.datasets import load_dataset
    from poeem.data.read_interactions import read_interactions

    files, run = options["files"], options["run"]
    if files.interactions is not None:
        return read_interactions(files.interactions, files.items, options["data"], log=log)
    if files.items is not None:
        raise ValueError("--items goes with --interactions; a data set has its own titles")
    return load_dataset(run.dataset)


def train(interactions: Interactions, options: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    """Train towers and index, and compare with post-hoc indexes."""
    from poeem.training.recipes.interactions import train_interactions

    files, run = options["files"], options["run"]
    return train_interactions(
        interactions,
        run.out,
        # The file's name without folder: a run can be resumed with the same data in another folder.
        dataset=run.dataset or files.interactions.name,
        previous_run=files.previous_run,
        stability=files.stability,
        baselines=names(run.baselines),
        resume=resume,
        **{name: value for group in GROUPS for name, value in vars(options[group]).items()},
    )


def load(path: str | Path, device: str) -> InteractionRun:
    """Load a finished run."""
    from poeem.training.interactions.run import load_interaction_run

    return load_interaction_run(path, device)


def evaluate(
    path: str | Path, *, accelerator: Accelerator, baselines: Sequence[str], nprobe: int | None
) -> dict[str, Any]:
    """Evaluate a run again."""
    from poeem.training.compare import compare

    return compare(load(path, "cpu"), accelerator=accelerator, baselines=baselines, nprobe=nprobe)


def search(run: InteractionRun, asked: Mapping[str, str], k: int, nprobe: int | None) -> Answer:
    """Search for items for a user or a history, or for those similar to an item."""
    import numpy as np

    from poeem.data.ragged import Ragged
    from poeem.training.id_lookup import Lookup
    from poeem.training.recommend import recommend, similar_items

    if len(asked) > 1:
        raise ValueError(f"give one of {', '.join(f'--{name}' for name in asked)}")
    ((way, text),) = asked.items()
    if way == "item":
        # Ids of the bundle include items that were added after the training.
        rows = np.array([Lookup(run.bundle.ids, "item").number(text)])
        return Answer(f"similar to {text}", *similar_items(run, rows, k, nprobe))
    if way == "user":
        number = Lookup(run.interactions.user_ids, "user").number(text)
        return Answer(f"for user {text}", *recommend(run, run.histories.take(np.array([number])), k, nprobe))
    numbers = Lookup(run.interactions.item_ids, "item", bundle_ids=run.bundle.ids).numbers(text)
    return Answer(f"for history {text}", *recommend(run, Ragged(np.array([0, len(numbers)]), numbers), k, nprobe))


def encode(run: InteractionRun, asked: Sequence[Mapping[str, Any]]) -> QueryVectors:
    """Vectors of users, histories or items. A user's or history's own items are left out, and items without a training
    event.
    """
    from poeem.training.recommend import items_as_queries, own_ids

    way = next(iter(asked[0]))
    values = [one[way] for one in asked]
    if way == "user":
        vectors, known = run.encode_users(values), run.known_items(values)
    elif way == "history":
        vectors, known = run.encode_histories(values), [own_ids(run.bundle, history) for history in values]
    else:
        vectors, known = items_as_queries(run.bundle, values)
        numbers = run.item_numbers[run.bundle.row_of([ids[0] for ids in known])]
        vectors[numbers >= 0] = run.items(numbers[numbers >= 0])
    return QueryVectors(vectors, [[*ids, *run.untrained_ids] for ids in known])


RECIPE = Recipe(
    name="interactions",
    groups={"files": InteractionFiles, "run": RunOptions, "data": FileFormat, **GROUPS},
    data_sets=("ml-1m", "ml-100k", "complete-journey"),
    queries=InteractionQueries,
    figures=("recall@10", "recall@100", "ndcg@10", "mrr@10", "neighbour_recall@10"),
    main_figure="recall@100",
    read=read,
    train=train,
    load=load,
    evaluate=evaluate,
    search=search,
    encode=encode,
)

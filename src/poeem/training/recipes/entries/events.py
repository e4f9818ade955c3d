"""The recipe for search events, as commands know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.data.file_format import FileFormat
from poeem.option import more_option, option
from poeem.training.options.events import EVENT_GROUPS
from poeem.training.options.run import RunOptions, names
from poeem.training.recipes.recipe import Answer, QueryVectors, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from poeem.data.events.search_events import SearchEvents
    from poeem.training.events.run import EventRun


@dataclass(frozen=True)
class EventFiles:
    """Data."""

    events: Path | None = option(
        None, "Search log with the columns user, timestamp, query, item and event; a folder or glob.", metavar="FILE"
    )
    items: Path | None = more_option(
        None, "Item table: files of the same kinds, with item, title and other columns.", metavar="FILE"
    )


@dataclass(frozen=True)
class EventQueries:
    """What to search for."""

    user: str | None = option(None, "Items for a user of the training data.", metavar="ID")
    query: str | None = option(
        None, "What is typed, such as 'organic milk'; with --user for that user.", metavar="TEXT"
    )
    where: str | None = option(
        None, "With --query: condition on the items' columns, such as \"department = 'DAIRY'\".", metavar="CONDITION"
    )
    match_title: bool = option(
        False, "With --query: only items whose title has every known word of the query.", flag="--match-title"
    )


def read(options: Mapping[str, Any], log: Callable[[str], None]) -> SearchEvents:
    """Events of a file or of a data set."""
    from poeem.data.datasets import load_events
    from poeem.data.events.read_events import read_events

    files, run = options["files"], options["run"]
    if files.events is not None:
        return read_events(files.events, files.items, options["data"], log=log)
    if files.items is not None:
        raise ValueError("--items goes with --events; a data set has its own titles")
    return load_events(run.dataset)


def train(events: SearchEvents, options: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    """Train towers and index, and compare with post-hoc indexes."""
    from poeem.training.recipes.events import train_events

    files, run = options["files"], options["run"]
    return train_events(
        events,
        run.out,
        # The file's name without folder: a run can be resumed with the same data in another folder.
        dataset=run.dataset or files.events.name,
        baselines=names(run.baselines),
        resume=resume,
        **{name: value for group in EVENT_GROUPS for name, value in vars(options[group]).items()},
    )


def load(path: str | Path, device: str) -> EventRun:
    """A finished run."""
    from poeem.training.events.run import load_event_run

    return load_event_run(path, device)


def evaluate(
    path: str | Path, *, accelerator: Accelerator, baselines: Sequence[str], nprobe: int | None
) -> dict[str, Any]:
    """Evaluate a run again."""
    from poeem.training.events.compare import evaluate_events

    return evaluate_events(path, accelerator=accelerator, baselines=baselines, nprobe=nprobe)


def search(run: EventRun, asked: Mapping[str, Any], k: int, nprobe: int | None) -> Answer:
    """Items for a typed query, or those similar to an item."""
    if "item" in asked:
        from poeem.training.recommend import similar_to_id

        return similar_to_id(run.bundle, asked["item"], k, nprobe)
    text = asked.get("query")
    if text is None:
        raise ValueError("give what is typed: --query TEXT; --user, --where and --match-title go with it")
    where, match_title = asked.get("where"), bool(asked.get("match_title"))
    scores, rows, found = run.search(text, asked.get("user"), k, where=where, match_title=match_title, nprobe=nprobe)
    title = f"for {text!r}"
    title += f" of user {asked['user']}" if "user" in asked else ""
    title += f" where {where}" if where else ""
    notes = [run.vocabulary.unknown(text)]
    if where is not None or match_title:
        notes.append(f"{found:,} of {len(run.bundle):,} items match" if found else "no item matches the condition")
    return Answer(title, scores, rows, tuple(filter(None, notes)))


def encode(run: EventRun, asked: Sequence[Mapping[str, Any]]) -> QueryVectors:
    """Vectors of typed queries, some by known users, or of items as queries."""
    import numpy as np

    from poeem.training.recommend import items_as_queries

    if "item" in asked[0]:
        return items_as_queries(run.bundle, [one["item"] for one in asked])
    vectors = [run.encode_query(one["query"], one.get("user")) for one in asked]
    return QueryVectors(np.concatenate(vectors), [[] for _ in asked])


RECIPE = Recipe(
    name="events",
    groups={"files": EventFiles, "run": RunOptions, "data": FileFormat, **EVENT_GROUPS},
    data_sets=("complete-journey-search",),
    queries=EventQueries,
    figures=("recall@10", "recall@100", "ndcg@10", "p_good@100"),
    main_figure="recall@100",
    read=read,
    train=train,
    load=load,
    evaluate=evaluate,
    search=search,
    encode=encode,
)

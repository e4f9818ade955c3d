"""The recipe for pairs of texts, as commands know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.option import more_option, option
from poeem.training.options.pairs import TEXT_GROUPS
from poeem.training.options.run import RunOptions, names
from poeem.training.recipes.recipe import Answer, QueryVectors, Recipe

if TYPE_CHECKING:
    from accelerate import Accelerator

    from poeem.data.pairs.text_pairs import TextPairs
    from poeem.training.pairs.run import PairRun


@dataclass(frozen=True)
class PairFiles:
    """Data."""

    pairs: Path | None = option(
        None,
        "Parquet, CSV or JSON Lines with columns of texts, query and item (and item_id, negative, score); a folder or "
        "glob.",
        metavar="FILE",
    )
    items: Path | None = more_option(
        None,
        "Items that need not be in a pair: files of the same kinds, with item (and item_id, title).",
        metavar="FILE",
    )
    delimiter: str | None = more_option(None, "Character between the fields of a CSV file, or tab. Default: detected.")
    encoding: str = more_option("utf-8", "Encoding of a CSV file, such as latin-1, cp1252 or utf-16.")


@dataclass(frozen=True)
class PairQueries:
    """What to search for."""

    query: str | None = option(None, "Items for a text.", metavar="TEXT")


def read(options: Mapping[str, Any], log: Callable[[str], None]) -> TextPairs:
    """Read the pairs of a file or of a data set."""
    from poeem.data.datasets import load_pairs
    from poeem.data.pairs.text_pairs import read_text_pairs

    files = options["files"]
    if files.pairs is not None:
        format = {"delimiter": files.delimiter, "encoding": files.encoding}
        return read_text_pairs(files.pairs, files.items, **format, log=log)
    if files.items is not None:
        raise ValueError("--items goes with --pairs; a data set has its own items")
    return load_pairs(options["run"].dataset)


def train(pairs: TextPairs, options: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    """Train encoder and index, and compare with post-hoc indexes."""
    from poeem.training.recipes.pairs import train_pairs

    files, run = options["files"], options["run"]
    return train_pairs(
        pairs,
        run.out,
        # The file's name without folder: a run can be resumed with the same data in another folder.
        dataset=run.dataset or files.pairs.name,
        baselines=names(run.baselines),
        resume=resume,
        **{name: value for group in TEXT_GROUPS for name, value in vars(options[group]).items()},
    )


def load(path: str | Path, device: str) -> PairRun:
    """Load a finished run."""
    from poeem.training.pairs.run import load_pair_run

    return load_pair_run(path, device)


def evaluate(
    path: str | Path, *, accelerator: Accelerator, baselines: Sequence[str], nprobe: int | None
) -> dict[str, Any]:
    """Evaluate a run again."""
    from poeem.training.compare import compare

    return compare(load(path, "cpu"), accelerator=accelerator, baselines=baselines, nprobe=nprobe)


def search(run: PairRun, asked: Mapping[str, str], k: int, nprobe: int | None) -> Answer:
    """Search for items for a text, or for those similar to an item."""
    from poeem.engines.reference import ReferenceScorer
    from poeem.training.recommend import bundle_nprobe, similar_to_id

    if "item" in asked:
        return similar_to_id(run.bundle, asked["item"], k, nprobe)
    if not asked["query"].strip():
        raise ValueError("--query is empty; give a text")
    vectors = run.encode_queries([asked["query"]])
    scores, rows = ReferenceScorer(run.bundle).search(vectors, k, bundle_nprobe(run.bundle, nprobe))
    known = run.knows(asked["query"])
    notes = () if known else ("note: the encoder knows no word of the query; results mean little",)
    return Answer(f"for {asked['query']!r}", scores, rows, notes)


def encode(run: PairRun, asked: Sequence[Mapping[str, Any]]) -> QueryVectors:
    """Vectors of texts, or of items as queries."""
    from poeem.training.recommend import items_as_queries

    if "item" in asked[0]:
        return items_as_queries(run.bundle, [one["item"] for one in asked])
    return QueryVectors(run.encode_queries([one["query"] for one in asked]), [[] for _ in asked])


RECIPE = Recipe(
    name="pairs",
    groups={"files": PairFiles, "run": RunOptions, **TEXT_GROUPS},
    data_sets=("debian", "wordnet"),
    queries=PairQueries,
    figures=("mrr@10", "recall@10", "recall@100", "neighbour_recall@10"),
    main_figure="recall@100",
    read=read,
    train=train,
    load=load,
    evaluate=evaluate,
    search=search,
    encode=encode,
)

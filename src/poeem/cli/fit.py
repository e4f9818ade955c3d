"""``poeem fit``: train an index for fixed embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poeem.cli.command import HelpAll, options_of
from poeem.cli.options import CHECK_FLAG, Json, PrintConfig
from poeem.cli.output import print_json, print_table, say
from poeem.cli.settings import SettingsOptions, as_toml
from poeem.option import more_option, named, option
from poeem.training.options.fit import FitOptions, VectorIndexOptions

COLUMNS = ("recall@10", "recall@100", "ndcg@10", "mrr@10", "neighbour_recall@10")


@dataclass(frozen=True)
class VectorFiles:
    """Files of vectors, and the run to write."""

    items: Path | None = option(None, "Item vectors: .npy, or .parquet with --column.", metavar="FILE")
    queries: Path | None = option(
        None, "Query vectors, for instance from logs; default: items serve as queries.", metavar="FILE"
    )
    relevance: Path | None = option(
        None, "Labels: columns query, item (row numbers) and optionally weight.", metavar="FILE"
    )
    unseen: Path | None = more_option(
        None,
        "Query vectors that the model of the vectors was not trained on: they judge the fit. Default: a tenth of the "
        "queries.",
        metavar="FILE",
    )
    unseen_relevance: Path | None = more_option(None, "Labels of --unseen, as --relevance.", metavar="FILE")
    column: str | None = option(None, "Column of the vectors in Parquet files.")
    out: Path | None = option(None, "Folder to write; must be new.", metavar="DIR")
    from_faiss: Path | None = option(
        None, "Start from this faiss file. Its rows in the order of ids are the items.", metavar="FILE"
    )
    index_of: Path | None = more_option(
        None, "Learn a map for queries of a new model, by which they search this run or bundle.", metavar="OLD"
    )
    queries_new: Path | None = more_option(None, "With --index-of: queries by the new model.", metavar="FILE")
    queries_old: Path | None = more_option(
        None, "With --index-of: the same queries by the model of the index.", metavar="FILE"
    )
    items_new: Path | None = more_option(
        None, "With --index-of: all items by the new model, to compare with a full re-embedding.", metavar="FILE"
    )
    check: bool = more_option(
        True,
        "Compare the file of --from-faiss whole with the checksum of its report; --no-check compares a sample of its "
        "blocks.",
        flag=CHECK_FLAG,
    )


CONFIG = {"run": VectorFiles, "index": VectorIndexOptions, "training": FitOptions}


@options_of(VectorFiles, VectorIndexOptions, FitOptions, SettingsOptions, settings=CONFIG)
def fit(
    settings: dict[str, Any],
    *,
    print_config: PrintConfig = False,
    json: Json = False,
    help_all: HelpAll = False,
) -> None:
    """Fit an index to frozen embeddings, from queries alone or with labels.

    All options: poeem fit --help-all. All settings, for --set and --config: poeem fit --print-config.
    """
    if print_config:
        print(as_toml(settings, CONFIG), end="")
        return
    from poeem.training.recipes.vector_files import fit_files

    files, index, training = named(CONFIG.values(), **settings)
    if files.index_of is not None or files.queries_new or files.queries_old or files.items_new:
        from poeem.cli.query_map import fit_map

        fit_map(files, seed=training.seed, json=json)
        return
    if files.items is None or files.out is None:
        raise ValueError("give the item vectors and the folder to write: --items FILE --out DIR")
    metrics = fit_files(
        files.items,
        files.out,
        queries=files.queries,
        column=files.column,
        relevance=files.relevance,
        unseen=files.unseen,
        unseen_relevance=files.unseen_relevance,
        **_structure(files, index),
        **{name: value for name, value in settings.items() if name in FitOptions.__dataclass_fields__},
    )
    for note in metrics["notes"]:
        say(f"note: {note}")
    print_json(metrics) if json else _print(metrics, files.out)


def _structure(files: VectorFiles, index: VectorIndexOptions) -> dict[str, Any]:
    if files.from_faiss is None:
        spec = "RQ8" if index.spec is None else index.spec
        return {"spec": spec, "metric": index.metric or "ip"}
    from poeem.engines.faiss.index_file import UNPROVEN
    from poeem.engines.faiss.read import from_faiss as read_faiss

    if index.spec is not None or index.metric is not None:
        raise ValueError("--from-faiss has its own structure and metric; leave --index and --metric out")
    initial_index = read_faiss(files.from_faiss, check=files.check)
    if not initial_index.proven:
        say(f"note: {UNPROVEN}")
    return {"initial_index": initial_index}


def _print(metrics: Mapping[str, Any], out: Path) -> None:
    from poeem.cli.print_metrics import print_few_queries
    from poeem.evaluation.intervals import format_figure

    columns = [name for name in COLUMNS if name in metrics["float"]]
    rows = [
        [name, *(format_figure(metrics[block], column) for column in columns)]
        for name, block in (("exact search", "float"), ("index, before", "warm_start"), ("index, fitted", "index"))
    ]
    seconds = sum(metrics["timings"].values())
    title = f"{metrics['spec']} ({metrics['metric']}), by {metrics['judged_by']}, {seconds:.0f} s -> {out}"
    print_table(title, ["", *columns], rows)
    print_few_queries([metrics["index"]])

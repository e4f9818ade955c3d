"""MGDSPR on Complete Journey as search: parts of the model, the joint index, baselines and the relevance filter.

The queries of `complete-journey-search` are a stand-in made from category words. All rows are trained for the same
steps on the same batches. `base` is a mean-pooled two-tower model: word means, means of three spans of behaviour, an
MLP. The other rows add to it: `mgs` the multi-granular semantic unit, `trm` LSTM and attention over the behaviour,
`tau` a temperature twice as high, `mix` 16 mixed negatives. `mgs + trm` is the default; `paper` is the same without the
attention to every item, `again`. `filter` drops from the results of `joint, 16 bytes` what does not have all words of
the query in its title. `popularity` is told the category of the item that was bought.

    python -m benchmarks.product_search.ablation --seed 0 --json benchmarks/results/product_search-0.json
    python -m benchmarks.product_search.ablation --rows parts --steps 60 --seed 0 \
        --json benchmarks/results/product_search_parts-0.json
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.product_search.tiny import tiny_events
from benchmarks.record import Record, parse, picked, script_parser
from poeem.data.attributes import category_numbers
from poeem.data.datasets import load_events
from poeem.data.events.search_events import SearchEvents
from poeem.data.events.split import split_by_time
from poeem.data.title_match import TitleMatch
from poeem.evaluation.scorers import Scorer
from poeem.evaluation.search_figures import search_figures
from poeem.evaluation.text_rankers import Bm25Titles, popularity_in_category
from poeem.training.best_in_memory import BestInMemory
from poeem.training.devices import make_accelerator
from poeem.training.events.build import event_inputs
from poeem.training.events.scores import current_scorer, event_figures, event_query_vectors
from poeem.training.events.train import fit_events, training_vocabulary
from poeem.training.options.resolve_events import EventOptions
from poeem.training.plan import Plan

PLAIN = {"granular": False, "attention": False}
FULL: dict[str, Any] = {}
MIX = {"mixed_negatives": 16}
# Name -> options; "tau" doubles the temperature, as the paper does.
ROWS: dict[str, dict[str, Any]] = {
    "base": PLAIN,
    "mgs + trm": FULL,
    "joint, 16 bytes": {"spec": "OPQ16,PQ16"},
    "joint, 8 bytes": {"spec": "OPQ8,PQ8"},
    "paper": {"again": False},
    "mgs": {"attention": False},
    "trm": {"granular": False},
    "tau": PLAIN | {"tau": True},
    "mgs + trm + tau": {"tau": True},
    "mix": PLAIN | MIX,
    "all": {"tau": True} | MIX,
}
# Sets of rows: the model with its index, and the parts of the model.
SETS = {"index": list(ROWS)[:4], "parts": [name for name in ROWS if not name.startswith("joint")]}
FIGURES = ("recall@10", "recall@100", "ndcg@10", "p_good@100")


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="complete-journey-search", help="or tiny")
    parser.add_argument("--rows", nargs="+", default=["index"], choices=[*SETS, *ROWS], help="sets of rows, or rows")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--lr", type=float, default=7e-3)
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "steps", "batch_size", "dim", "temperature", "lr", "part"))
    events = tiny_events() if args.dataset == "tiny" else load_events(args.dataset)
    if "BM25" not in record.rows:
        for name, row in text_baselines(events, args.part).items():
            record.add(name, row)
    for name in [name for given in args.rows for name in SETS.get(given, [given])]:
        if name not in record.rows:
            measure(record, name, events, args)
    for name, row in record.rows.items():
        print(f"{name:20}", "  ".join(f"{figure} {row[figure]:.4f}" for figure in FIGURES))


def measure(record: Record, name: str, events: SearchEvents, args: Any) -> None:
    """Train one row and add its figures; of the index of 16 bytes also those of the filter."""
    options = dict(ROWS[name])
    temperature = args.temperature * (2 if options.pop("tau", False) else 1)
    indexed = "spec" in options
    sizes = {"steps": args.steps, "batch_size": args.batch_size, "dim": args.dim, "lr": args.lr}
    settings = EventOptions.named(temperature=temperature, seed=args.seed, **sizes, **options).settings()
    split, vocabulary = split_by_time(events), training_vocabulary(events, split_by_time(events))
    started = time.process_time()
    model, _ = fit_events(
        events,
        split,
        vocabulary,
        settings,
        Plan.from_settings(settings, validate_every=args.steps),
        BestInMemory(),
        accelerator=make_accelerator("cpu"),
        indexed=indexed,
        validation=False,
    )
    seconds = time.process_time() - started
    positions = getattr(split, args.part)
    vectors = event_query_vectors(model, event_inputs(settings, events, vocabulary), positions)
    targets, categories = events.item[positions], category_numbers(events.item_table, None)
    scorer = current_scorer(model, None)
    row = event_figures(scorer, vectors, targets, categories)
    record.add(name, row | {"cpu_seconds": seconds, "settings": settings})
    if name == "joint, 16 bytes":
        assert model.index is not None
        record.add("filter", filtered(scorer, vectors, events, positions, categories) | {"unfiltered": row})


def filtered(
    scorer: Scorer, vectors: np.ndarray, events: SearchEvents, positions: np.ndarray, categories: np.ndarray | None
) -> dict[str, Any]:
    """Figures with the title filter, and milliseconds per query that it takes to find what matches."""
    match, texts = TitleMatch(events.titles), [events.queries[number] for number in events.query[positions]]
    started = time.perf_counter()
    for text in texts[:500]:
        match.rows(text)
    milliseconds = 1000 * (time.perf_counter() - started) / len(texts[:500])

    def scores_of(rows: np.ndarray) -> np.ndarray:
        scores = scorer.scores(vectors[rows])
        for row, scored in zip(rows, scores):
            scored[~match.rows(texts[row])] = -np.inf
        return scores

    block = search_figures(scores_of, events.item[positions], categories)
    kept = np.mean([match.rows(text).mean() for text in texts[:500]])
    return block | {"match_milliseconds": milliseconds, "matching_share": float(kept)}


def text_baselines(events: SearchEvents, part: str) -> dict[str, dict[str, Any]]:
    """BM25 over titles, ties by popularity, and popularity in the category that was bought."""
    split = split_by_time(events)
    positions = getattr(split, part)
    targets, categories = events.item[positions], category_numbers(events.item_table, None)
    assert categories is not None
    counts = np.bincount(events.item[split.train], minlength=events.n_items)
    ranker, texts = Bm25Titles(events.titles, counts), [events.queries[number] for number in events.query[positions]]
    return {
        "BM25": search_figures(lambda rows: ranker.scores([texts[row] for row in rows]), targets, categories),
        "popularity": search_figures(
            lambda rows: popularity_in_category(counts, categories, categories[targets[rows]]), targets, categories
        ),
    }


if __name__ == "__main__":
    main()

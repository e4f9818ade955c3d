"""Query maps: a static encoder was in service, MiniLM is the new model; how much of a full re-embedding a map keeps.

A sample of Debian descriptions with their summaries as queries. For each structure: the old index searched by the old
model's queries, by mapped queries of the new model, with half of the rows encoded again (the most used first), and an
index of the new model. The map learns from four fifths of the queries, the others are the test.

    python -m benchmarks.text.query_map --seed 0 --json benchmarks/results/query_map-0.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import Record, parse, picked, script_parser
from poeem.bundle.bundle import Bundle
from poeem.data.datasets import load_pairs
from poeem.data.encoders.minilm import MiniLM
from poeem.data.encoders.token_table import token_importance, token_table
from poeem.data.ragged import Ragged
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.metrics import expected_ranks, ranking_metrics
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.text import StaticEncoder
from poeem.training.query_map import MixedIndex, fit_query_map
from poeem.training.query_map.fit import rows_by_use

TOKENS = 64


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--sample", type=int, default=3000, help="items, each with its query")
    parser.add_argument("--specs", nargs="+", default=["RQ4", "RQ8", "RQ16"])
    args = parse(parser)
    record = Record(args, picked(args, "sample"))
    pairs = load_pairs("debian")
    rng = np.random.default_rng(args.seed)
    chosen = rng.choice(pairs.n_items, min(args.sample, pairs.n_items), replace=False)
    items = [pairs.items[row] for row in chosen]
    first_query = dict(zip(pairs.relevant.values.tolist(), pairs.relevant.row_of_value.tolist()))
    queries = [pairs.queries[first_query[row]] for row in chosen.tolist()]
    old_items, old_queries = static_vectors(items), static_vectors(queries)
    encoder = MiniLM()
    new_items, new_queries = (encoder.encode(texts, max_tokens=TOKENS) for texts in (items, queries))
    order = rng.permutation(len(items))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    # A text without a known token has no direction.
    known = np.flatnonzero(old_items.any(1))
    train, test = (rows[old_queries[rows].any(1) & old_items[rows].any(1)] for rows in (train, test))
    relevant = np.searchsorted(known, test)

    with tempfile.TemporaryDirectory() as folder:
        for spec in args.specs:
            if spec in record.rows:
                continue
            old = coded(spec, old_items[known], Path(folder) / f"{spec}-old")
            new = coded(spec, new_items[known], Path(folder) / f"{spec}-new")
            query_map = fit_query_map(old, new_queries[train], old_queries[train], seed=args.seed)
            mapped = query_map(new_queries[test])
            row = {
                "kind": query_map.facts["kind"],
                "queries": len(train),
                "test_queries": len(test),
                "old": metrics(ReferenceScorer(old).scores(old_queries[test]), relevant),
                "mapped": metrics(ReferenceScorer(old).scores(mapped), relevant),
                "full": metrics(ReferenceScorer(new).scores(new_queries[test]), relevant),
            }
            used = rows_by_use(old, query_map, new_queries[train])[0]
            rest = np.setdiff1d(np.arange(len(old)), used)
            half = np.sort(np.concatenate([used, rng.permutation(rest)])[: len(old) // 2])
            part = coded(spec, new_items[known][half], Path(folder) / f"{spec}-half", ids=half, like=new)
            mixed = MixedIndex(old, part, query_map, new_queries[train][:500])
            _, ids = mixed.search(new_queries[test], len(old))
            scores = np.empty(ids.shape)
            np.put_along_axis(scores, ids, -np.arange(ids.shape[1], dtype=float)[None].repeat(len(ids), 0), 1)
            row["half"] = metrics(scores, relevant)
            record.add(spec, row)
            kept = {name: row[name]["recall@100"] for name in ("old", "mapped", "half", "full")}
            print(f"{spec:6} {row['kind']:20} recall@100", {name: round(value, 4) for name, value in kept.items()})


def static_vectors(texts: list[str]) -> np.ndarray:
    """Vectors of the static encoder that `poeem train --pairs` starts from, untrained: unit length, or zero."""
    vectors, tokenizer = token_table(256)
    encoder = StaticEncoder(torch.from_numpy(vectors), tokenizer=tokenizer, max_tokens=TOKENS)
    tokens = encoder.prepare(texts)
    with torch.no_grad():
        encoder.importance.weight.copy_(torch.from_numpy(token_importance(tokens.values, len(vectors)))[:, None])
        return torch.nn.functional.normalize(encoder(tokens), dim=1).numpy()


def coded(
    spec: str, vectors: np.ndarray, folder: Path, *, ids: np.ndarray | None = None, like: Bundle | None = None
) -> Bundle:
    """A bundle of vectors; ``like``: with the arrays of another one."""
    from poeem.layers.from_arrays import index_from

    if like is None:
        index = EmbeddingIndex(vectors.shape[1], spec, metric="cosine")
        index.warm_start(torch.from_numpy(vectors))
    else:
        index = index_from(like)
    return index.eval().bundle(np.arange(len(vectors)) if ids is None else ids, vectors, folder)


def metrics(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """Metrics of scores ``(nq, n)`` with one relevant item per query."""
    rows = Ragged.from_lengths(np.ones(len(relevant), np.int64), relevant)
    found = ranking_metrics(expected_ranks(scores, rows), rows.offsets)
    return {name: float(values.mean()) for name, values in found.items()}


if __name__ == "__main__":
    main()

"""fit_query_map: learn and choose a query map, and say how much of a full re-embedding it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.recall import neighbour_share
from poeem.functional.unit_length import as_served
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.inputs import checked_vectors
from poeem.training.frozen.top_items import blocks, top_items
from poeem.training.query_map.candidates import candidate_maps
from poeem.training.query_map.query_map import QueryMap

# Queries that judge, and results that are compared.
HELD_OUT, SHARE, K = 1000, 0.2, 10
MIN_QUERIES = 50
# Queries whose results say which rows are used most.
TRAFFIC = 5000


def fit_query_map(
    bundle: Bundle, queries_new: Any, queries_old: Any, *, items_new: Any = None, seed: int = 0
) -> QueryMap:
    """Learn a map from query vectors of a new model to those that an index in service takes.

    Several maps are fitted to pairs of vectors of the same queries: linear, of low rank, and a small network. The one
    is chosen whose results are most like those of the old vectors, on held-out queries.

    Args:
        bundle: the index in service, of the old model.
        queries_new: float, ``(n, d_new)``: queries by the new model.
        queries_old: float, ``(n, dim)``: the same queries by the old model.
        items_new: float, ``(len(bundle), d_new)``: the items by the new model, in the bundle's order. With them the
            facts tell how much of a full re-embedding the map keeps.
        seed: of the choice of held-out queries, and of the networks.
    Returns:
        the map. Its ``facts`` are ``kind``, ``queries``, ``held_out``, ``kept`` (share of the old vectors' 10 best
        items that are among the 10 best of the mapped ones), ``candidates`` (``kept`` of each), and with ``items_new``
        ``re_embedding``: recall@10 of the new model's exact results for the mapped queries (``mapped``), the old model
        (``old``), and an index of the same structure on ``items_new`` (``full``).
    Raises:
        ValueError: vectors of other shapes, or too few.
    """
    metric = bundle.metric
    new = checked_vectors("queries_new", queries_new, metric)
    old = checked_vectors("queries_old", queries_old, metric, bundle.dim, "the index")
    if len(new) != len(old):
        raise ValueError(
            f"queries_new (={len(new)} rows) and queries_old (={len(old)} rows) must be the same queries, row by row"
        )
    if len(new) < MIN_QUERIES:
        raise ValueError(f"queries_new (={len(new)} rows) must be at least {MIN_QUERIES}; 5,000 and more are usual")
    order = np.random.default_rng(seed).permutation(len(new))
    n_held = min(HELD_OUT, max(10, round(SHARE * len(new))))
    held, train = np.sort(order[:n_held]), np.sort(order[n_held:])
    x, y = (np.asarray(vectors[train], np.float32) for vectors in (new, old))
    scorer, k = ReferenceScorer(bundle), min(K, len(bundle))
    served = scorer.search(old[held], k)[1]
    maps, kept = {}, {}
    for name, arrays in candidate_maps(x, y, seed):
        maps[name] = QueryMap(arrays, metric, bundle.fingerprint)
        found = scorer.search(maps[name](new[held]), k)[1]
        kept[name] = round(float(neighbour_share(found, served).mean()), 4)
    kind = max(kept, key=lambda name: kept[name])
    facts: dict[str, Any] = {"kind": kind, "spec": str(bundle.spec), "bytes_per_vector": bundle.spec.bytes_per_vector}
    facts |= {"queries": len(train), "held_out": n_held, "kept": kept[kind], "candidates": kept}
    if items_new is not None:
        facts["re_embedding"] = _compared(bundle, maps[kind], np.asarray(new[held]), served, items_new, k, seed)
    return replace(maps[kind], facts=facts)


def rows_by_use(bundle: Bundle, map: QueryMap, queries_new: Any, *, k: int = K) -> tuple[np.ndarray, np.ndarray]:
    """Find which rows the queries of a log use most: those should be encoded by the new model first.

    A row counts ``1 / rank`` for each query that has it among its ``k`` best.

    Args:
        bundle: the index in service.
        map: its query map.
        queries_new: float, ``(n, d_new)``: a log of queries by the new model; the last 5,000 count.
    Returns:
        rows in the order of their use, int64, and their use, float64; rows without use are left out.
    """
    queries = np.asarray(queries_new[-TRAFFIC:])
    k = min(k, len(bundle))
    rows = ReferenceScorer(bundle).search(map(queries), k)[1]
    use = np.bincount(rows.ravel(), np.tile(1 / np.arange(1, k + 1), len(rows)), minlength=len(bundle))
    order = np.argsort(-use, kind="stable")
    return order[use[order] > 0], use[order][use[order] > 0]


def _compared(
    bundle: Bundle, map: QueryMap, queries: np.ndarray, served: np.ndarray, items_new: Any, k: int, seed: int
) -> dict[str, Any]:
    """Recall of the new model's exact results: mapped queries, the old model, and a full re-embedding."""
    items = checked_vectors("items_new", items_new, bundle.metric, map.dims[0], "queries_new")
    if len(items) != len(bundle):
        raise ValueError(f"items_new (={len(items)} rows) must have a row for each of the {len(bundle)} items")
    items = as_served(np.asarray(items[:]), bundle.metric)
    queries = as_served(queries, bundle.metric)
    bundle.spec.check_dim(items.shape[1])
    index = EmbeddingIndex(items.shape[1], bundle.spec, metric=bundle.metric, seed=seed)  # pyright: ignore
    index.warm_start(torch.from_numpy(items))
    decoded = index.decode(*index.encode(items))

    exact, full = (top_items(queries, blocks(vectors), k, metric=bundle.metric)[1] for vectors in (items, decoded))
    mapped = ReferenceScorer(bundle).search(map(queries), k)[1]
    recall = {
        name: round(float(neighbour_share(rows, exact).mean()), 4)
        for name, rows in (("mapped", mapped), ("old", served), ("full", full))
    }
    return {**recall, "mapped_of_full": round(recall["mapped"] / max(recall["full"], 1e-9), 4)}

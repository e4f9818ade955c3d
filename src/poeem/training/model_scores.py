"""Metrics of a model: of its float vectors, of its index in training, or of its bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.data.split import Queries, Split
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, Scorer, coarse_for_queries
from poeem.training.model import JointModel
from poeem.training.tower_vectors import item_vectors, query_vectors

# Largest number of validation queries, a random sample: validation only compares steps of one run.
VALIDATION_QUERIES = 10_000


class BundleScorer:
    """A scorer of a bundle for which larger is better: under ``l2`` the reference's scores are negated."""

    def __init__(self, bundle: Bundle, nprobe: int | None) -> None:
        self._reference, self._nprobe = ReferenceScorer(bundle), nprobe

    def scores(self, query_vectors: np.ndarray) -> np.ndarray:
        """Score all items for queries ``(b, dim)``: float32 ``(b, n)``, larger is better."""
        scores = self._reference.scores(query_vectors, self._nprobe)
        return scores if self._reference.larger_is_better else -scores


def validation_score(
    model: JointModel,
    queries: Queries,
    items: np.ndarray,
    query_vectors: np.ndarray,
    *,
    available: np.ndarray | None,
    nprobe: int | None,
) -> float:
    """Compute ndcg@10 on validation queries: of the quantized items after the warm start, of the float items before it.

    Args:
        model: the model in training.
        queries: validation queries; see `sample_queries`.
        items, query_vectors: vectors of all items and of the queries, by the model.
        available: bool, ``(n_items,)``: items that may be returned; None for all.
        nprobe: inverted lists visited.
    """
    scorer = index_scorer(model, items, nprobe) if model.quantizes else FloatScorer(items, model.metric)
    return evaluate(scorer, queries, query_vectors, exact_items=items, metric=model.metric, available=available)[
        "ndcg@10"
    ]


def sample_queries(queries: Queries, seed: int) -> Queries:
    """Sample at most `VALIDATION_QUERIES` of the queries at random."""
    if len(queries) <= VALIDATION_QUERIES:
        return queries
    rows = np.random.default_rng(seed).choice(len(queries), VALIDATION_QUERIES, replace=False)
    return queries.take(np.sort(rows))


def score(
    scorer: Scorer, model: JointModel, queries: Queries, split: Split, items: np.ndarray | None = None
) -> dict[str, Any]:
    """Compute metrics with intervals for a model's queries. Items without a training event count as misses."""
    items = item_vectors(model, np.arange(split.n_items)) if items is None else items
    return evaluate(
        scorer,
        queries,
        query_vectors(model, queries.history),
        exact_items=items,
        metric=model.metric,
        available=split.seen_in_training,
    )


def index_scorer(model: JointModel, items: np.ndarray, nprobe: int | None) -> DecodedScorer:
    """Make a scorer of all items as the index now quantizes them.

    Args:
        model: has an index that is warm-started.
        items: float32, ``(n_items, dim)``, vectors before the index.
        nprobe: inverted lists visited per query; None is all.
    Returns:
        the scorer.
    """
    index = model.index
    assert index is not None
    codes, lists = model.encode(torch.arange(len(items)), torch.from_numpy(items).to(index.device))
    decoded = index.decode(codes, lists).cpu().numpy()
    if lists is None:
        return DecodedScorer(decoded, model.metric)
    coarse = coarse_for_queries(index.arrays())
    return DecodedScorer(decoded, model.metric, coarse=coarse, lists=lists.cpu().numpy(), nprobe=nprobe)

"""Vectors and figures of a model of search events."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poeem.data.events.inputs import EventInputs
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, Scorer, coarse_for_queries
from poeem.evaluation.search_figures import search_figures
from poeem.training.events.model import EventModel
from poeem.training.tower_vectors import ITEM_ROWS, evaluating

QUERY_ROWS = 512


def event_query_vectors(model: EventModel, inputs: EventInputs, positions: np.ndarray) -> np.ndarray:
    """Query vectors of events with a query, by position: float32 ``(n, dim)``."""
    parts = [
        typed_vectors(model, inputs.of_events(positions[start : start + QUERY_ROWS]))
        for start in range(0, len(positions), QUERY_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty((0, model.towers.dim), np.float32)


def typed_vectors(model: EventModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Query vectors of inputs of ``EventInputs``: float32 ``(B, dim)``."""
    with evaluating(model):
        tensors = {name: torch.from_numpy(value).to(model.log_q.device) for name, value in inputs.items()}
        return model.queries(**tensors).float().cpu().numpy()


def product_vectors(model: EventModel, items: np.ndarray) -> np.ndarray:
    """Vectors of items by number ``(n,)``, before the index: float32 ``(n, dim)``."""
    with evaluating(model):
        parts = [
            model.towers.item(torch.from_numpy(items[start : start + ITEM_ROWS]).to(model.log_q.device))
            for start in range(0, len(items), ITEM_ROWS)
        ]
    return np.concatenate([part.float().cpu().numpy() for part in parts])


def current_scorer(model: EventModel, nprobe: int | None) -> Scorer:
    """Scorer of the catalogue: of the quantized items once the index is ready, before of the float ones."""
    items = product_vectors(model, np.arange(len(model.log_q)))
    if model.index is None or not model.index.ready:
        return FloatScorer(items, model.metric)
    codes, lists = model.index.encode(torch.from_numpy(items).to(model.index.device))
    decoded = model.index.decode(codes, lists).cpu().numpy()
    if lists is None:
        return DecodedScorer(decoded, model.metric)
    coarse = coarse_for_queries(model.index.arrays())
    return DecodedScorer(decoded, model.metric, coarse=coarse, lists=lists.cpu().numpy(), nprobe=nprobe)


def event_figures(
    scorer: Scorer, vectors: np.ndarray, targets: np.ndarray, categories: np.ndarray | None
) -> dict[str, Any]:
    """:func:`~poeem.evaluation.search_figures.search_figures` of a scorer for query vectors ``(nq, dim)``."""
    return search_figures(lambda rows: scorer.scores(vectors[rows]), targets, categories)

"""GloVe word vectors as items and queries for measurements of engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import poeem
from poeem.bundle import Bundle
from poeem.data.datasets import load_embedded
from poeem.metric import Metric

DIM = 100


def items_and_queries(rows: int, queries: int, metric: Metric, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequent words at random, some as items and others as queries: float32 ``(rows, 100)`` and ``(queries, 100)``.

    They have unit length; under ``ip`` and ``l2`` items get different lengths (log-normal, about a third up or down),
    because some faults of engines show only then.
    """
    rng = np.random.default_rng(seed)
    words = load_embedded("glove").items[rng.permutation(rows + queries)]
    lengths = np.ones(rows) if metric == "cosine" else np.exp(rng.normal(0, 0.3, rows))
    return words[:rows] * lengths[:, None].astype(np.float32), words[rows:]


def bundle_of(items: np.ndarray, spec: str, metric: Metric, seed: int, folder: Path) -> Bundle:
    """A bundle of items by an index that was warm-started on 16,384 of them."""
    index = poeem.EmbeddingIndex(DIM, spec, metric=metric, seed=seed)
    sample = np.random.default_rng(seed).choice(len(items), min(len(items), 16_384), replace=False)
    index.warm_start(torch.from_numpy(items[sample]))
    return index.eval().bundle(np.arange(len(items)), items, folder)

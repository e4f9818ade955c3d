"""Check whether the model of the vectors has memorised the labels of the training queries."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.data.ragged import Ragged
from poeem.evaluation.recall import returned_metrics
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.top_items import blocks, top_items

# Training queries that are searched.
SAMPLED = 1500
# Recall of training queries over that of unseen ones from which on labels count as memorised. Between samples of equal
# queries it is about 1.
RATIO = 1.5
DEPTH = 10


def memorised_labels(train: np.ndarray, labels: Ragged | None, unseen: HeldOut, items: Any, metric: str) -> str | None:
    """Compare how well exact search finds the labels of training queries and of unseen ones.

    A model that was trained on the labels of the training queries puts these queries beside their items. Queries that
    it has not seen are not there, so that an index learns from the training queries what is of no use to others.

    Args:
        train: float32, ``(nq, dim)``.
        labels: relevant items of each of these; None: nothing is compared.
        unseen: queries that the model was not trained on; without labels nothing is compared.
        items: float, ``(n, dim)``.
        metric: ``"ip"`` or ``"l2"``.
    Returns:
        a warning for the user, or None.
    """
    if labels is None or unseen.relevant is None:
        return None
    rows = np.flatnonzero(labels.lengths)[:SAMPLED]
    if not len(rows):
        return None
    known = _exact_recall(train[rows], labels.take(rows), items, metric)
    new = _exact_recall(unseen.queries, unseen.relevant, items, metric)
    if known <= RATIO * new:
        return None
    return (
        f"exact search finds .{known * 1000:03.0f} of the labels of training queries among its first {DEPTH}, and "
        f".{new * 1000:03.0f} of those of unseen queries: the model of the vectors was trained on these labels. They "
        "teach the index little; leave relevance out"
    )


def _exact_recall(queries: np.ndarray, labels: Ragged, items: Any, metric: str) -> float:
    _, found = top_items(queries, blocks(items), min(DEPTH, len(items)), metric=metric)
    return float(returned_metrics(found, found, labels)["recall@10"].mean())

"""Compute the log-probability that an item is a candidate of the softmax, from its training events."""

from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged


def log_q(events: Ragged, n_items: int, *, draws: int = 1) -> np.ndarray:
    """Compute the log-probability that an item is among ``draws`` training events: ``log(1 - (1 - p)^draws)``.

    ``p`` is the item's share of the events. ``retrieval_softmax`` subtracts the result from the logits of the
    candidates. If every positive of the batch is a column of its own, ``draws`` is 1. If each distinct item among the
    positives is one column, ``draws`` is the number of positives.

    Args:
        events: item numbers of the training events, one row per user.
        n_items: size of the catalogue.
        draws: events that a batch samples, at least 1.
    Returns:
        float32, ``(n_items,)``, nats. An item without an event counts as if it had one, so all values are finite.
    Raises:
        ValueError: ``draws`` is below 1, or an item number is outside the catalogue.

    >>> log_q(Ragged(np.array([0, 4]), np.array([0, 0, 0, 1])), n_items=3).round(2)
    array([-0.29, -1.39, -1.39], dtype=float32)
    """
    if draws < 1:
        raise ValueError(f"draws (={draws}) must be at least 1")
    counts = np.bincount(events.values, minlength=n_items)
    if len(counts) != n_items:
        raise ValueError(f"n_items (={n_items}) must be above the highest item number of events (={len(counts) - 1})")
    share = counts.clip(min=1) / max(len(events.values), 1)
    # A catalogue of one item has share 1, whose log1p(-1) is -inf: expm1 brings that back to probability 1.
    with np.errstate(divide="ignore"):
        return np.log(-np.expm1(draws * np.log1p(-share.clip(max=1)))).astype(np.float32)

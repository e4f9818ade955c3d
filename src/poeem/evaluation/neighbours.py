"""Exact neighbours, and how many of them another scorer finds."""

from __future__ import annotations

import numpy as np
import torch


def exact_neighbours(scores: np.ndarray, k: int) -> np.ndarray:
    """Columns of the ``k`` best scores of every row, in no order: ``(b, n)`` -> int64 ``(b, min(k, n))``.

    >>> exact_neighbours(np.array([[0.1, 0.9, 0.5]]), 1)
    array([[1]])
    """
    # Not numpy's argpartition, which takes ten times as long where most scores are one: -inf, of lists not visited.
    return torch.from_numpy(scores).topk(min(k, scores.shape[1]), dim=1, sorted=False).indices.numpy()


def neighbour_recall(scores: np.ndarray, neighbours: np.ndarray, k: int | None = None) -> np.ndarray:
    """Share of the given items among the ``k`` best of each row, ``k`` being their number if nothing else is said.

    Items that tie for the last places share them: each counts for its chance to be among the ``k`` if equals are put in
    any order. Items at ``-inf`` are never among them.

    Args:
        scores: float, ``(b, n)``, larger is better.
        neighbours: int64 columns, ``(b, m)``.
        k: how deep to look, as far as there are items; default ``m``.
    Returns:
        float64, ``(b,)``, 0 to 1.

    >>> neighbour_recall(np.array([[0.5, 0.9, 0.5, 0.1]]), np.array([[0, 1]]))
    array([0.75])
    """
    depth = int(min(neighbours.shape[1] if k is None else k, scores.shape[1]))
    if depth == 0 or neighbours.shape[1] == 0:
        return np.zeros(len(scores))
    last = torch.from_numpy(scores).topk(depth, dim=1).values[:, -1:].numpy()
    better, equal = (scores > last).sum(1, keepdims=True), (scores == last).sum(1, keepdims=True)
    own = np.take_along_axis(scores, neighbours, axis=1)
    chance = np.where(own > last, 1.0, np.where(own == last, (depth - better) / np.maximum(equal, 1), 0.0))
    return np.where(np.isneginf(own), 0.0, chance).mean(1)

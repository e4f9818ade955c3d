"""Find exact neighbours from scores, and compute how many of them other scores find."""

from __future__ import annotations

import numpy as np
import torch


def exact_neighbours(scores: np.ndarray, k: int) -> np.ndarray:
    """Find the columns of the ``k`` best scores of each row, in any order.

    Args:
        scores: float, ``(b, n)``, larger is better.
        k: how many.
    Returns:
        int64, ``(b, min(k, n))``.

    >>> exact_neighbours(np.array([[0.1, 0.9, 0.5]]), 1)
    array([[1]])
    """
    # numpy's argpartition takes ten times as long where most scores are equal: -inf for lists that are not visited.
    return torch.from_numpy(scores).topk(min(k, scores.shape[1]), dim=1, sorted=False).indices.numpy()


def neighbour_recall(scores: np.ndarray, neighbours: np.ndarray, k: int | None = None) -> np.ndarray:
    """Compute the share of given neighbours that are among the ``k`` best scores of each row.

    An item that ties for the last places counts by its probability to be among the ``k`` best in a random order of the
    equal items. Items at ``-inf`` never count.

    Args:
        scores: float, ``(b, n)``, larger is better.
        neighbours: int64 columns, ``(b, m)``.
        k: number of best items, at most all of them; default ``m``.
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
    target = np.take_along_axis(scores, neighbours, axis=1)
    chance = np.where(target > last, 1.0, np.where(target == last, (depth - better) / np.maximum(equal, 1), 0.0))
    return np.where(np.isneginf(target), 0.0, chance).mean(1)

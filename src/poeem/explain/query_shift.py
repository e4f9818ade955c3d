"""Measure how queries differ from items, and how much recall is lost because of this difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poeem.explain.loss_attribution import RecallLoss


def shift_figures(queries: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """Compare the distributions of queries ``(nq, dim)`` and items ``(n, dim)``, both of unit length under ``cosine``.

    Returns:
        ``cosine_of_means``: cosine of the mean query and the mean item; ``energy_in_items_axes``: the fraction of the
        queries' squared length in the axes that hold 90 % of the items' squared length (0.9 for equal distributions).
    """
    x, q = np.asarray(items, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    mean_x, mean_q = x.mean(0), q.mean(0)
    size = np.linalg.norm(mean_x) * np.linalg.norm(mean_q)
    energy, axes = np.linalg.eigh(x.T @ x / len(x))
    energy, axes = energy[::-1], axes[:, ::-1]
    n_axes = int(np.searchsorted(np.cumsum(energy), 0.9 * energy.sum())) + 1
    inside = np.square(q @ axes[:, :n_axes]).sum() / max(np.square(q).sum(), np.finfo(float).tiny)
    return {
        "cosine_of_means": float(mean_x @ mean_q / size) if size > 0 else 1.0,
        "energy_in_items_axes": float(inside),
    }


def shift_shares(query_losses: Sequence[RecallLoss], item_losses: Sequence[RecallLoss]) -> list[float]:
    """Return the fraction of each step's loss that would not exist if items were the queries, 0 to 1.

    The extra losses of the steps are scaled down if their sum is above the extra total loss of the queries.

    Args:
        query_losses: losses of neighbours for the queries, by step.
        item_losses: losses of the same steps with items as queries.

    >>> queries, items = [0.4, 0.2], [0.1, 0.2]
    >>> shift_shares([RecallLoss("", "", loss) for loss in queries], [RecallLoss("", "", loss) for loss in items])
    [0.75, 0.0]
    >>> shift_shares([RecallLoss("", "", -0.01)], [RecallLoss("", "", -0.02)])
    [0.0]
    """
    excess = [max(0.0, step.loss - max(0.0, item_step.loss)) for step, item_step in zip(query_losses, item_losses)]
    total = max(0.0, sum(step.loss for step in query_losses) - sum(step.loss for step in item_losses))
    counted = min(1.0, total / sum(excess)) if any(excess) else 0.0
    return [round(counted * more / step.loss, 9) if more else 0.0 for more, step in zip(excess, query_losses)]


def losses_by_cause(steps: Sequence[RecallLoss], shares: Sequence[float]) -> dict[str, float]:
    """Return the losses by cause, with the fractions ``shares`` of them moved to ``query_shift``; same sum.

    >>> losses_by_cause([RecallLoss("probing", "", 0.4), RecallLoss("code", "", 0.25)], [0.75, 0.0])
    {'probing': 0.1, 'code': 0.25, 'query_shift': 0.3}
    """
    causes: dict[str, float] = {}
    for step, share in zip(steps, shares):
        causes[step.cause] = round(causes.get(step.cause, 0.0) + step.loss * (1 - share), 12)
    causes["query_shift"] = round(sum(step.loss * share for step, share in zip(steps, shares)), 12)
    return causes

"""Whether queries look where items are: what the index loses for them, beside what it loses for items as queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poeem.explain.loss_attribution import Loss


def apart(queries: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """How far queries are from items, both prepared; free of scale where that means nothing.

    Returns:
        ``cosine_of_means``: between the mean query and the mean item; ``energy_in_items_axes``: share of the queries'
        squared length in the axes that hold 90 % of the items' (0.9 if they are spread alike).
    """
    x, q = np.asarray(items, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    mean_x, mean_q = x.mean(0), q.mean(0)
    size = np.linalg.norm(mean_x) * np.linalg.norm(mean_q)
    energy, axes = np.linalg.eigh(x.T @ x / len(x))
    energy, axes = energy[::-1], axes[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(energy), 0.9 * energy.sum())) + 1
    inside = np.square(q @ axes[:, :kept]).sum() / max(np.square(q).sum(), np.finfo(float).tiny)
    return {
        "cosine_of_means": float(mean_x @ mean_q / size) if size > 0 else 1.0,
        "energy_in_items_axes": float(inside),
    }


def gap_shares(asked: Sequence[Loss], items: Sequence[Loss]) -> list[float]:
    """Share of each step's loss of neighbours that there would not be if queries were items, 0 to 1.

    Only as far as less is lost for items in all: queries that lose more at one step and less at another are no gap.

    >>> gap_shares([Loss("probing", "", 0.4), Loss("code", "", 0.2)], [Loss("probing", "", 0.1), Loss("code", "", 0.2)])
    [0.75, 0.0]
    >>> gap_shares([Loss("probing", "", 0.4), Loss("code", "", 0.2)], [Loss("probing", "", 0.1), Loss("code", "", 0.5)])
    [0.0, 0.0]
    """
    more = [max(0.0, own.loss - max(0.0, theirs.loss)) for own, theirs in zip(asked, items)]
    in_all = max(0.0, sum(own.loss for own in asked) - sum(theirs.loss for theirs in items))
    counted = min(1.0, in_all / sum(more)) if in_all else 0.0
    return [round(counted * one / own.loss, 9) if one else 0.0 for one, own in zip(more, asked)]


def without_gap(steps: Sequence[Loss], shares: Sequence[float]) -> dict[str, float]:
    """Losses by cause, the share of each that is the gap's taken out and put under ``gap``; the sum stays.

    >>> without_gap([Loss("probing", "", 0.4), Loss("code", "", 0.25)], [0.75, 0.0])
    {'probing': 0.1, 'code': 0.25, 'gap': 0.3}
    """
    causes: dict[str, float] = {}
    for step, share in zip(steps, shares):
        causes[step.cause] = round(causes.get(step.cause, 0.0) + step.loss * (1 - share), 12)
    causes["gap"] = round(sum(step.loss * share for step, share in zip(steps, shares)), 12)
    return causes

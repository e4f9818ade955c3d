"""Softmax with generated hard negatives: mixtures of the positive and the negatives that score highest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.functional.scores import scores


def softmax_with_mixed_negatives(
    queries: Tensor,
    items: Tensor,
    target: Tensor | None = None,
    *,
    count: int = 16,
    low: float = 0.4,
    high: float = 0.6,
    temperature: float = 0.07,
    metric: str = "cosine",
    log_q: Tensor | None = None,
) -> Tensor:
    """Compute the retrieval softmax with ``count`` generated negatives more for each query.

    A generated negative is ``x_mix = α x_pos + (1 - α) x_neg`` with ``α`` uniform between ``low`` and ``high``, for the
    ``count`` negatives that score highest. It lies between the positive and a hard negative, so it is harder than any
    real item; a larger ``α`` makes it harder. Scores are inner products, so the score of a mixture is the mixture of
    the scores, and no mixed vector is computed. In the paper these negatives make results more relevant and cost
    recall.

    Args:
        queries: float, ``(n, dim)``; normalised here under ``cosine``.
        items: float, ``(m, dim)``, the candidates, all different: in-batch positives and sampled negatives. They are
            never normalised here.
        target: int64, ``(n,)``, the row of each query's positive in ``items``; by default row i belongs to query i.
        count: generated negatives per query, of which at most ``m - 1`` exist; 0 is the plain softmax.
        low, high: ends of the uniform distribution of ``α``, drawn from torch's global generator.
        temperature, metric, log_q: as in ``retrieval_softmax``. A mixture has the ``log_q`` of its negative.
    Returns:
        Scalar, nats.
    Raises:
        ValueError: ``metric`` is ``l2``, whose scores do not mix, or a number is out of range.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.4.2.

    >>> q, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> softmax_with_mixed_negatives(q, items, count=1, low=0.5, high=0.5, temperature=1.0)  # scores 1, 0 and 1/2
    tensor(0.6803)
    """
    check_mixture(count, low, high)
    if metric == "l2":
        raise ValueError("metric (='l2') has no mixed negatives: a distance to a mixture is no mixture of distances")
    if not temperature > 0:
        raise ValueError(f"temperature (={temperature}) must be greater than 0; 0.05 to 0.1 suits cosine")
    with torch.autocast(queries.device.type, enabled=False):
        bias = items.new_zeros(len(items), dtype=torch.float32) if log_q is None else -log_q.float()
        logits = scores(queries.float(), items.float(), metric) / temperature + bias
        if target is None:
            target = torch.arange(len(queries), device=queries.device)
        positive = logits.gather(1, target[:, None])
        with torch.no_grad():
            others = logits.scatter(1, target[:, None], -torch.inf)
            hardest = others.topk(min(count, logits.shape[1] - 1), dim=1).indices
        alpha = torch.empty(hardest.shape, device=logits.device).uniform_(low, high)
        # The correction is not part of the score, and is not mixed.
        of_positive = positive - bias[target][:, None]
        of_negative = logits.gather(1, hardest) - bias[hardest]
        mixed = alpha * of_positive + (1 - alpha) * of_negative + bias[hardest]
        return F.cross_entropy(torch.cat([logits, mixed], 1), target)


def check_mixture(count: int, low: float, high: float) -> None:
    """Raise ValueError if ``count`` is negative, or if ``0 <= low <= high < 1`` does not hold."""
    if count < 0:
        raise ValueError(f"count (={count}) of mixed negatives must be 0 (none) or more")
    if not 0 <= low <= high < 1:
        raise ValueError(f"low (={low}) and high (={high}) must be 0 to 1, low first, high below 1 (the positive)")

"""List softmax: queries and centroids learn which inverted lists a query should visit."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.losses.retrieval_softmax import retrieval_softmax


def list_softmax(
    queries: Tensor,
    centroids: Tensor,
    target: Tensor,
    lists: Tensor,
    *,
    log_q: Tensor | None = None,
    balance: float = 1.0,
    temperature: float = 0.07,
    metric: str = "cosine",
) -> Tensor:
    """Train queries and centroids so that a query visits the inverted list of its item.

    It is the mean over queries of ``-log softmax_j(s(q, C_j) / T + balance * log n_j)`` at the list of the query's
    item. ``n_j`` estimates the length of list j from a sample of items, in which an item counts as one over the
    probability that it was sampled (Horvitz and Thompson, 1952).

    ``balance=1`` is the softmax over all items, with each item replaced by the centroid of its list. At its minimum
    ``s(q, C_j) / T`` is ``log P(item in j | q) - log n_j`` plus a constant. Lists are then visited in the order of the
    probability that they hold the item *per code scanned*. That finds most for a given number of codes, if lists are
    scanned whole. With ``balance=0`` the scores learn ``log P(item in j | q)`` alone. That finds most for a given
    number of lists, and visits long lists first.

    Args:
        queries: float, ``(n, dim)``; leading dimensions as in ``retrieval_softmax``.
        centroids: float, ``(nlist, dim)``, in the space of the queries.
        target: int64, ``(n,)``, the list of each query's item; for ``balance > 0`` it must be among ``lists``.
        lists: int64, ``(m,)``: the lists of a sample of the items.
        log_q: float, ``(m,)``: log-probability that each item of the sample was drawn, nats; None: all equal.
        balance: how much the length of a list counts against visiting it, 0 or more; 0 to 1 is usual.
        temperature, metric: as in ``retrieval_softmax``.
    Returns:
        scalar, nats.
    Raises:
        ValueError: an argument is out of range or of another length.

    >>> q, centroids = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> target, lists = torch.tensor([0]), torch.tensor([0, 1, 1, 1])
    >>> list_softmax(q, centroids, target, lists, temperature=1.0)  # log(1 + 3/e)
    tensor(0.7437)
    """
    if not 0 <= balance < float("inf"):
        raise ValueError(f"balance (={balance}) must be 0 (lists alone count) or more; 1 counts the codes scanned")
    if log_q is not None and log_q.shape != lists.shape:
        raise ValueError(f"log_q (shape {tuple(log_q.shape)}) must be ({len(lists)},), one for each item of lists")
    log_lengths = None
    if balance:
        # Only ratios matter; relative to the smallest log_q the largest exponent is 0.
        weights = torch.ones_like(lists, dtype=torch.float32) if log_q is None else (log_q.min() - log_q).float().exp()
        lengths = weights.new_zeros(len(centroids)).index_add(0, lists, weights)
        # On an accelerator this check would wait for the device.
        if lengths.device.type == "cpu" and not lengths[target].all():
            missing = int(target[lengths[target] == 0][0])
            raise ValueError(f"target (={missing} at one place) must be a list that holds an item of lists")
        # A list without an item in the sample gets the logit -inf.
        log_lengths = -balance * lengths.log()
    return retrieval_softmax(queries, centroids, target, temperature=temperature, metric=metric, log_q=log_lengths)

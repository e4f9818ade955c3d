"""Which inverted list a query should visit: a softmax over the centroids, at the list of the wanted item."""

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
    """Mean over queries of ``-log softmax_j(s(q, C_j) / T + balance * log n_j)`` at the list that is wanted.

    ``n_j`` estimates the length of list j from a sample of items, each of which stands for as many as one over the
    chance that it was drawn (Horvitz and Thompson, 1952).

    At ``balance=1`` it is the softmax over all items, each with the centroid of its list in its place. Where that is
    least, ``s(q, C_j) / T`` is ``log P(wanted in j | q) - log n_j`` but for a constant, so that lists are visited in
    the order of what they hold of what is wanted *for each code scanned*: of all orders the one that finds most for a
    given number of codes, as long as lists are taken whole (the greedy order of a knapsack). At ``balance=0`` scores
    learn ``log P(wanted in j | q)`` alone: most for a given number of lists, of which the long ones are visited first.

    Args:
        queries: float, ``(n, dim)``.
        centroids: float, ``(nlist, dim)``, in the space of the queries.
        target: int64, ``(n,)``, the list of each query's item; for ``balance > 0`` one that is among ``lists``.
        lists: int64, ``(m,)``, of a sample of the items.
        log_q: float, ``(m,)``: log-probability that each of them is in the sample, nats; None: all alike.
        balance: how much the length of a list counts against visiting it, 0 or more; 0 to 1 makes sense.
        temperature, metric: as in ``retrieval_softmax``.
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
    shorter = None
    if balance:
        # Only ratios matter; so taken, the largest exponent is 0.
        weights = torch.ones_like(lists, dtype=torch.float32) if log_q is None else (log_q.min() - log_q).float().exp()
        lengths = weights.new_zeros(len(centroids)).index_add(0, lists, weights)
        # On an accelerator the look at the values would wait for the device.
        if lengths.device.type == "cpu" and not lengths[target].all():
            missing = int(target[lengths[target] == 0][0])
            raise ValueError(f"target (={missing} at one place) must be a list that holds an item of lists")
        # A list without an item in the sample is no column: its logit is -inf.
        shorter = -balance * lengths.log()
    return retrieval_softmax(queries, centroids, target, temperature=temperature, metric=metric, log_q=shorter)

"""SharedItems: the distinct items of a training step, each computed once by one of the processes."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.layers.collective import gathered, gathered_with_gradient, world_size
from poeem.layers.embedding_index import Output


class SharedItems:
    """The distinct items of a step over all processes.

    Each process computes an equal part of them, and then all processes have them all. So the softmax of each query has
    the columns that it would have in a training with one process and the same batch.

    Args:
        numbers: int64, ``(n,)``, the items of this process's part of the batch; they may repeat.
        n_positives: how many of them, the first ones, belong to this process's queries, one each.
        across: whether there may be other processes that do the same; they must, in the same step.

    Attributes:
        numbers: int64, ``(m,)``, the distinct items of all processes, ascending.
        all: int64, ``(N,)``, ``numbers`` as given by all processes, in rank order.
        place: int64, ``(N,)``, the row of each of ``all`` in ``numbers``.
        target: int64, ``(n_positives,)``, the row in ``all`` of each positive of this process.
        own: int64, ``(k,)``, the items that this process computes.
        n_positives: number of queries of all processes.
        query_weight: factor of a mean over this process's queries. The mean over processes is then that over all
            queries.
        item_weight: the same for a mean over ``own``.
    """

    def __init__(self, numbers: Tensor, n_positives: int, *, across: bool = True) -> None:
        world = world_size() if across else 1
        self.query_weight, self.item_weight, self.n_positives = 1.0, 1.0, n_positives
        self.across, self.all, first = world > 1, numbers, 0
        if self.across:
            rank = torch.distributed.get_rank()
            sizes = gathered(torch.tensor([[len(numbers), n_positives]], device=numbers.device)).tolist()
            first = sum(size for size, _ in sizes[:rank])
            self.n_positives = sum(positives for _, positives in sizes)
            self.query_weight = n_positives * world / self.n_positives
            self.all = gathered(numbers)
        self.target = torch.arange(first, first + n_positives, device=numbers.device)
        self.numbers, self.place = self.all.unique(return_inverse=True)
        self.own = self.numbers
        if self.across:
            start, end = (len(self.numbers) * one // world for one in (rank, rank + 1))
            self.own = self.numbers[start:end]
            self.item_weight = len(self.own) * world / len(self.numbers)

    def vectors(self, own: Tensor) -> Tensor:
        """From the vectors ``(k, dim)`` of ``own`` to those of ``numbers``, ``(m, dim)``; with gradients."""
        return gathered_with_gradient(own) if self.across else own

    def output(self, own: Output) -> Output:
        """From the layer's output for ``own`` to that for ``numbers``; the distortion is weighted, and stays that of
        ``own``.
        """
        if not self.across:
            return own
        codes, lists = (None if part is None else gathered(part) for part in (own.codes, own.lists))
        return Output(gathered_with_gradient(own.embedding), codes, lists, own.distortion * self.item_weight)

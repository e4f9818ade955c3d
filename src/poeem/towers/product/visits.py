"""Visits: the queries of one user at one time, side by side, so that their behaviour is read once."""

from __future__ import annotations

import torch
from torch import Tensor


class Visits:
    """The places of queries in a table of visits. Queries of one visit have the same behaviour.

    Args:
        visit: int64, ``(B,)``: number of each query's visit, in ``[0, n)``.
        n: number of visits.

    >>> visits = Visits(torch.tensor([1, 0, 1]), 2)
    >>> rows = torch.tensor([[[5.0]], [[6.0]], [[7.0]]])
    >>> visits.together(rows)[..., 0]
    tensor([[6., 0.],
            [5., 7.]])
    >>> visits.apart(visits.together(rows), 1)[..., 0, 0]
    tensor([5., 6., 7.])
    """

    def __init__(self, visit: Tensor, n: int) -> None:
        order = visit.argsort(stable=True)
        counts = visit.bincount(minlength=n)
        slot = torch.empty_like(visit)
        slot[order] = torch.arange(len(visit), device=visit.device) - (counts.cumsum(0) - counts)[visit[order]]
        self.n, self.most = n, int(counts.max())
        self.place = visit * self.most + slot

    def together(self, rows: Tensor) -> Tensor:
        """Put the rows of the queries of each visit side by side: ``(B, G, d)`` to ``(n, most * G, d)``, zero where a
        visit has fewer queries than another.
        """
        table = rows.new_zeros(self.n * self.most, *rows.shape[1:])
        return table.index_copy(0, self.place, rows).view(self.n, -1, rows.shape[2])

    def apart(self, table: Tensor, rows: int) -> Tensor:
        """Take the rows of each query again: ``(n, most * G, d)`` to ``(B, G, d)``, ``G`` given by ``rows``."""
        return table.view(self.n * self.most, rows, -1)[self.place]

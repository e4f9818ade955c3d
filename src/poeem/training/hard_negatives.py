"""Hard negatives: items that the index, as it is at this moment, ranks high for a query and that are not its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Bounds of a step: so many queries search, so many items are searched. Their scores are 64 MB.
QUERIES, ROWS = 256, 65536
# Ranks in a catalogue that is searched whole. The first few are too often items that the user would take.
FIRST_RANK, LAST_RANK = 10, 200
# Items whose logit is above the positive's by more than this are taken for positives that nobody has marked, in nats.
MARGIN = 2.0


class Mined(NamedTuple):
    """Columns for the softmax, and how likely each item of the table was to become one."""

    rows: Tensor  # int64 (m,): distinct rows of the table
    log_missed: Tensor  # float (n,): log-probability that a row of the table is not among them


class HardNegatives(nn.Module):
    """Searches the catalogue through the model's quantized scores, without building anything.

    A table of ``x_hat`` (of float vectors, for a model without an index) is decoded anew every ``every`` steps; in
    every step up to ``QUERIES`` queries of the batch search it and take ``count`` items each, see :func:`mine`. Memory
    is bounded by ``ROWS`` items and ``QUERIES`` queries; of a larger catalogue each refresh takes another random part,
    and ranks shrink with the part's share.

    The table is a buffer, so that a resumed run goes on with the very same one.

    Args:
        items: int64, ``(n,)``, ascending: item numbers that may be mined; those with training events.
        dim: of the vectors.
        count: items a query takes.
        every: steps between two refreshes.
        first, last: ranks taken, from 1; the query's own items are not counted.
        margin: nats, see ``MARGIN``.
        seed: of the part that is searched.
    Raises:
        ValueError: an argument is out of range.
    Source:
        Xiong et al., "Approximate nearest neighbor negative contrastive learning for dense text retrieval", ICLR 2021
        (there by an index that is rebuilt beside the training); the guard after Qu et al., "RocketQA", NAACL 2021.
    """

    table: Tensor
    numbers: Tensor
    catalogue: Tensor

    def __init__(
        self,
        items: Tensor,
        dim: int,
        *,
        count: int,
        every: int = 16,
        first: int = FIRST_RANK,
        last: int = LAST_RANK,
        margin: float = MARGIN,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("hard_negatives", count), ("every", every), ("first", first), ("items", len(items))):
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        if last < first + count - 1:
            raise ValueError(f"hard_negatives (={count}) must be at most {last - first + 1}, the ranks they come from")
        if not margin >= 0:
            raise ValueError(f"margin (={margin}) must be 0 or more; float('inf') turns the guard off")
        self.count, self.every, self.margin, self.seed = count, every, margin, seed
        rows = min(len(items), ROWS)
        part = rows / len(items)
        self.first = min(rows, max(1, round(first * part)))
        self.last = min(rows, max(round(last * part), self.first + count - 1))
        self.register_buffer("catalogue", items, persistent=False)
        self.register_buffer("numbers", items[:rows].clone())
        self.register_buffer("table", torch.zeros(rows, dim))
        self.active = False
        self.seconds, self._began = 0.0, 0.0

    def extra_repr(self) -> str:
        return f"count={self.count}, every={self.every}, ranks={self.first}-{self.last}, margin={self.margin}"

    @property
    def time_share(self) -> float:
        """Share of the wall time since the first refresh that refreshes and searches took, 0 to 1."""
        return self.seconds / (time.perf_counter() - self._began) if self._began else 0.0

    @property
    def memory(self) -> int:
        """Bytes that a step takes at most: the table, and the scores of ``QUERIES`` queries."""
        held = sum(one.numel() * one.element_size() for one in (self.table, self.numbers, self.catalogue))
        return held + 4 * QUERIES * len(self.table)

    @torch.no_grad()
    def refresh(self, scored: Callable[[Tensor], Tensor], step: int) -> None:
        """Decode the table anew.

        Args:
            scored: item numbers ``(n,)`` to the vectors that the engine would score, ``(n, dim)``.
            step: of the training; part of the seed.
        """
        began = time.perf_counter()
        self._began = self._began or began
        if len(self.numbers) < len(self.catalogue):
            generator = torch.Generator().manual_seed(self.seed + step)
            drawn = torch.randperm(len(self.catalogue), generator=generator)[: len(self.numbers)]
            self.numbers.copy_(self.catalogue[drawn.sort().values.to(self.catalogue.device)])
        self.table.copy_(scored(self.numbers))
        self.seconds += time.perf_counter() - began

    @torch.no_grad()
    def mine(
        self, queries: Tensor, positive: Tensor, known: Tensor, positive_vectors: Tensor, *, metric: str, nats: float
    ) -> Mined:
        """What some queries of a batch take; draws from the global generator.

        Args:
            queries: float, ``(b, dim)``.
            positive: int64, ``(b,)``, and their vectors as scored, ``(b, dim)``.
            known: int64, ``(b, L)``: other items never to be taken by a query; -1 for none.
            positive_vectors: float, ``(b, dim)``.
            metric: ``"ip"``, ``"cosine"`` or ``"l2"``.
            nats: a logit's units a unit of score: 1 / temperature.
        """
        began = time.perf_counter()
        if metric == "cosine":
            queries = F.normalize(queries, dim=-1)
        if metric == "l2":
            # |q|^2 is the same for every item of a query.
            half, scale = self.table.square().sum(1) / 2, 2 * nats
            scores = torch.addmm(half, queries, self.table.T, beta=-1)
            ceiling = (queries * positive_vectors).sum(1) - positive_vectors.square().sum(1) / 2
        else:
            scores, scale = queries @ self.table.T, nats
            ceiling = (queries * positive_vectors).sum(1)
        own = self.rows_of(torch.cat([known, positive[:, None]], dim=1))
        found = mine(scores, own, ceiling + self.margin / scale, first=self.first, last=self.last, count=self.count)
        self.seconds += time.perf_counter() - began
        return found

    def rows_of(self, items: Tensor) -> Tensor:
        """Rows of the table of item numbers, of any shape; -1 where an item is not in it."""
        rows = torch.searchsorted(self.numbers, items).clamp(max=len(self.numbers) - 1)
        return torch.where(self.numbers[rows] == items, rows, -1)

    def log_missed(self, mined: Mined, items: Tensor) -> Tensor:
        """Log-probability that items ``(m,)`` were not mined; 0 for those not in the table."""
        rows = self.rows_of(items)
        return torch.where(rows >= 0, mined.log_missed[rows.clamp(min=0)], 0.0)


def mine(scores: Tensor, own: Tensor, ceiling: Tensor, *, first: int, last: int, count: int) -> Mined:
    """Items at ranks ``first`` to ``last`` of each query's search, ``count`` of them drawn at random.

    Of a query's search its own items are left out before ranks are counted, and those that score above its ceiling
    after: they are likelier to be positives that nobody has marked than negatives. A query with fewer items than
    ``count`` takes all of them.

    Args:
        scores: float, ``(b, n)``, larger is better; overwritten.
        own: int64, ``(b, L)``: columns never to be taken; -1 for none.
        ceiling: float, ``(b,)``.
        first, last: ranks from 1, ``last`` at most n.
        count: items a query takes.
    Returns:
        the columns taken by any query, and for all columns how likely none was to take them: the product over queries
        of ``1 - min(1, count / eligible)`` where the column is eligible. Those who estimate a softmax over all
        columns weigh by that, see :func:`log_chance`.

    >>> scores, own, ceiling = torch.tensor([[5.0, 4, 3, 2, 1]]), torch.tensor([[1]]), torch.tensor([4.5])
    >>> mined = mine(scores, own, ceiling, first=1, last=3, count=2)
    >>> sorted(mined.rows.tolist()), mined.log_missed
    ([2, 3], tensor([0., 0., -inf, -inf, 0.]))
    """
    nothing = torch.where(own >= 0, -torch.inf, torch.inf).to(scores.dtype)
    scores.scatter_reduce_(1, own.clamp(min=0), nothing, "amin")
    best, columns = scores.topk(last, dim=1)
    best, columns = best[:, first - 1 :], columns[:, first - 1 :]
    eligible = (best <= ceiling[:, None]) & (best > -torch.inf)
    keys = torch.rand(eligible.shape, device=scores.device).masked_fill_(~eligible, -1.0)
    drawn, places = keys.topk(min(count, keys.shape[1]), dim=1)
    rows = columns.gather(1, places)[drawn >= 0].unique()
    share = (count / eligible.sum(1, keepdim=True).clamp(min=1)).clamp(max=1).to(scores.dtype)
    log_missed = scores.new_zeros(scores.shape[1])
    log_missed.index_add_(0, columns[eligible], torch.log1p(-share).expand(columns.shape)[eligible])
    return Mined(rows, log_missed)


def log_chance(log_q: Tensor, log_missed: Tensor, draws: int | None = None) -> Tensor:
    """Log-probability of being a column, as a positive of the batch or as mined.

    Taken off the logits it keeps the softmax of a step an estimate of the softmax over the whole catalogue: mined
    columns then weigh what they are, not more for being looked for. Without it the loss would punish a rare item that
    is mined as if it stood for all the rare items that were not.

    Args:
        log_q: float, ``(m,)``: as a positive; with ``draws``, of one draw.
        log_missed: float, ``(m,)``: of not being mined.
        draws: positives of the batch, where each is a column of its own: then the expected number of columns of the
            item, over ``draws``, takes the place of the probability.

    >>> log_chance(torch.tensor([0.5]).log(), torch.tensor([0.5]).log()).exp()  # 1 - 0.5 * 0.5
    tensor([0.7500])
    >>> log_chance(torch.tensor([0.5]).log(), torch.tensor([0.5]).log(), draws=4).exp()  # 0.5 + 0.5 / 4
    tensor([0.6250])
    """
    if draws is None:
        return torch.log(-torch.expm1(torch.log1p(-log_q.exp()) + log_missed))
    return torch.log(log_q.exp() - torch.expm1(log_missed) / draws)

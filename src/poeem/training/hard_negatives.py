"""Hard negatives: items that the current index ranks high for a query, without the items of the query's user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Largest number of queries that search in a step, and of items that they search. Their scores take 64 MB.
QUERIES, ROWS = 256, 65536
# Ranks from which negatives are taken. The first ranks often hold items that the user would like.
FIRST_RANK, LAST_RANK = 10, 200
# An item whose logit exceeds the positive's by more than this counts as an unlabelled positive, in nats.
MARGIN = 2.0


class Mined(NamedTuple):
    """Mined items as columns of the softmax, with the probability of every item to be mined."""

    rows: Tensor  # int64 (m,): distinct rows of the table
    log_missed: Tensor  # float (n,): log-probability that a row of the table is not mined


class HardNegatives(nn.Module):
    """Exact search for hard negatives, by the model's own quantized scores. No index is built.

    Call :meth:`refresh` every ``every`` steps, and :meth:`mine` in each step after it. ``refresh`` computes a table of
    decoded items ``x_hat`` (float vectors for a model without an index). ``mine`` lets up to ``QUERIES`` queries of the
    batch search the table. Each takes a random ``count`` of the items at ranks ``first`` to ``last``. Items whose score
    is more than ``margin`` nats above the positive's are not taken: they are more likely unlabelled positives than
    negatives.

    The table holds at most ``ROWS`` items. Of a catalogue of ``n`` > ``ROWS`` items each refresh samples another part,
    and ``first`` and ``last`` are multiplied by ``ROWS / n``. The table is a buffer, so a resumed run continues with
    the same one.

    Args:
        items: int64, ``(n,)``, ascending: numbers of the items that may be mined, those with training events.
        dim: width of the vectors.
        count: items taken per query.
        every: steps between two refreshes.
        first, last: ranks that are taken, from 1; items of the query's user have no rank.
        margin: in nats, see ``MARGIN``.
        seed: of the sampled part.
    Raises:
        ValueError: an argument is out of range.
    Source:
        Xiong et al., "Approximate nearest neighbor negative contrastive learning for dense text retrieval", ICLR 2021,
        with an index that is rebuilt during training; the margin after Qu et al., "RocketQA", NAACL 2021.
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
        share = rows / len(items)
        self.first = min(rows, max(1, round(first * share)))
        self.last = min(rows, max(round(last * share), self.first + count - 1))
        self.register_buffer("catalogue", items, persistent=False)
        self.register_buffer("numbers", items[:rows].clone())
        self.register_buffer("table", torch.zeros(rows, dim))
        self.active = False
        self.seconds, self._first_refresh_at = 0.0, 0.0

    def extra_repr(self) -> str:
        return f"count={self.count}, every={self.every}, ranks={self.first}-{self.last}, margin={self.margin}"

    @property
    def time_share(self) -> float:
        """Share of the wall time since the first refresh that was spent on refreshes and searches, 0 to 1."""
        return self.seconds / (time.perf_counter() - self._first_refresh_at) if self._first_refresh_at else 0.0

    @property
    def memory(self) -> int:
        """Largest number of bytes that a step needs: the buffers, and the scores of ``QUERIES`` queries."""
        buffers = sum(buffer.numel() * buffer.element_size() for buffer in self.buffers())
        return buffers + 4 * QUERIES * len(self.table)

    @torch.no_grad()
    def refresh(self, scored_vectors: Callable[[Tensor], Tensor], step: int) -> None:
        """Compute the table of decoded items again.

        Args:
            scored_vectors: from item numbers ``(n,)`` to the vectors that an engine would score, ``(n, dim)``.
            step: step of the training; part of the seed.
        """
        started = time.perf_counter()
        self._first_refresh_at = self._first_refresh_at or started
        if len(self.numbers) < len(self.catalogue):
            generator = torch.Generator().manual_seed(self.seed + step)
            sample = torch.randperm(len(self.catalogue), generator=generator)[: len(self.numbers)]
            self.numbers.copy_(self.catalogue[sample.sort().values.to(self.catalogue.device)])
        self.table.copy_(scored_vectors(self.numbers))
        self.seconds += time.perf_counter() - started

    @torch.no_grad()
    def mine(
        self,
        queries: Tensor,
        positive: Tensor,
        known: Tensor,
        positive_vectors: Tensor,
        *,
        metric: str,
        temperature: float,
    ) -> Mined:
        """Mine negatives for some queries of a batch. The random choice uses torch's global generator.

        Args:
            queries: float, ``(b, dim)``.
            positive: int64, ``(b,)``: the positive item of each query.
            known: int64, ``(b, L)``: other items that must not be mined for the query; -1 for none.
            positive_vectors: float, ``(b, dim)``: vectors of the positives as they are scored.
            metric: ``"ip"``, ``"cosine"`` or ``"l2"``.
            temperature: of the softmax; a logit is a score divided by it.
        Returns:
            the mined items, and the probability of every item of the table to be mined.
        """
        started = time.perf_counter()
        if metric == "cosine":
            queries = F.normalize(queries, dim=-1)
        if metric == "l2":
            # |q|^2 is the same for every item of a query.
            half, nats_per_score = self.table.square().sum(1) / 2, 2 / temperature
            scores = torch.addmm(half, queries, self.table.T, beta=-1)
            positive_scores = (queries * positive_vectors).sum(1) - positive_vectors.square().sum(1) / 2
        else:
            scores, nats_per_score = queries @ self.table.T, 1 / temperature
            positive_scores = (queries * positive_vectors).sum(1)
        excluded = self.rows_of(torch.cat([known, positive[:, None]], dim=1))
        limit = positive_scores + self.margin / nats_per_score
        mined = mine_ranks(scores, excluded, limit, first=self.first, last=self.last, count=self.count)
        self.seconds += time.perf_counter() - started
        return mined

    def rows_of(self, items: Tensor) -> Tensor:
        """Return the rows of items in the table, in the shape of ``items``; -1 for an item that is not in it."""
        rows = torch.searchsorted(self.numbers, items).clamp(max=len(self.numbers) - 1)
        return torch.where(self.numbers[rows] == items, rows, -1)

    def log_missed(self, mined: Mined, items: Tensor) -> Tensor:
        """Return the log-probability that items ``(m,)`` are not mined; 0 for items that are not in the table."""
        rows = self.rows_of(items)
        return torch.where(rows >= 0, mined.log_missed[rows.clamp(min=0)], 0.0)


def mine_ranks(scores: Tensor, excluded: Tensor, limit: Tensor, *, first: int, last: int, count: int) -> Mined:
    """Sample ``count`` items at random from ranks ``first`` to ``last`` of each query.

    Excluded items have no rank. Items that score above ``limit`` have a rank but are never taken: they are more likely
    unlabelled positives than negatives. A query with fewer than ``count`` eligible items takes all of them.

    Args:
        scores: float, ``(b, n)``, larger is better; overwritten.
        excluded: int64, ``(b, L)``: columns that a query must not take; -1 for none.
        limit: float, ``(b,)``: highest score that a query may take.
        first, last: ranks from 1, ``last`` at most n.
        count: items taken per query.
    Returns:
        the columns that at least one query took; and for every column the log-probability that no query takes it, which
        is the product over queries of ``1 - min(1, count / eligible)`` where the column is eligible.
        :func:`log_column_probability` corrects the softmax by it.

    >>> scores, excluded, limit = torch.tensor([[5.0, 4, 3, 2, 1]]), torch.tensor([[1]]), torch.tensor([4.5])
    >>> mined = mine_ranks(scores, excluded, limit, first=1, last=3, count=2)
    >>> sorted(mined.rows.tolist()), mined.log_missed
    ([2, 3], tensor([0., 0., -inf, -inf, 0.]))
    """
    upper_bounds = torch.where(excluded >= 0, -torch.inf, torch.inf).to(scores.dtype)
    scores.scatter_reduce_(1, excluded.clamp(min=0), upper_bounds, "amin")
    best, columns = scores.topk(last, dim=1)
    best, columns = best[:, first - 1 :], columns[:, first - 1 :]
    eligible = (best <= limit[:, None]) & (best > -torch.inf)
    keys = torch.rand(eligible.shape, device=scores.device).masked_fill_(~eligible, -1.0)
    sampled_keys, places = keys.topk(min(count, keys.shape[1]), dim=1)
    rows = columns.gather(1, places)[sampled_keys >= 0].unique()
    share = (count / eligible.sum(1, keepdim=True).clamp(min=1)).clamp(max=1).to(scores.dtype)
    log_missed = scores.new_zeros(scores.shape[1])
    log_missed.index_add_(0, columns[eligible], torch.log1p(-share).expand(columns.shape)[eligible])
    return Mined(rows, log_missed)


def log_column_probability(log_q: Tensor, log_missed: Tensor, draws: int | None = None) -> Tensor:
    """Compute the log-probability that an item is a column of the softmax, as a positive of the batch or because it is
    mined.

    Subtracted from the logits, it makes the softmax over the columns an estimate of the softmax over the whole
    catalogue. Without it a mined rare item would weigh as much as all the rare items that were not mined.

    Args:
        log_q: float, ``(m,)``: log-probability to be a positive of the batch; with ``draws``, to be one draw.
        log_missed: float, ``(m,)``: log-probability not to be mined.
        draws: number of positives of the batch, if every positive is a column of its own. The result is then the
            logarithm of the expected number of the item's columns divided by ``draws``.
    Returns:
        float, ``(m,)``.

    >>> log_column_probability(torch.tensor([0.5]).log(), torch.tensor([0.5]).log()).exp()  # 1 - 0.5 * 0.5
    tensor([0.7500])
    >>> log_column_probability(torch.tensor([0.5]).log(), torch.tensor([0.5]).log(), draws=4).exp()  # 0.5 + 0.5 / 4
    tensor([0.6250])
    """
    if draws is None:
        return torch.log(-torch.expm1(torch.log1p(-log_q.exp()) + log_missed))
    return torch.log(log_q.exp() - torch.expm1(log_missed) / draws)

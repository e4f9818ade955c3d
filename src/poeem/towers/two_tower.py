"""TwoTower: a query tower and an item tower, and their usual settings for interactions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from poeem.towers.history import HistoryTower
from poeem.towers.item import ItemTower
from poeem.towers.item_table import ItemTable, PoolingTable
from poeem.towers.sequence import SequenceTower

KINDS = ("history", "sequence")


class TwoTower(nn.Module):
    """A query tower and an item tower whose vectors have the same width.

    Args:
        query: query tower, from ``(B, L)`` histories to ``(B, dim)``; see :mod:`poeem.towers.protocol`.
        item: item tower, from ``(n,)`` item numbers to ``(n, dim)``.
        dim: width of the vectors.

    >>> towers = interaction_towers("history", n_items=10, dim=8)
    >>> towers.query(torch.tensor([[1, 2]])).shape, towers.item(torch.tensor([3])).shape
    (torch.Size([1, 8]), torch.Size([1, 8]))
    """

    def __init__(self, query: nn.Module, item: nn.Module, dim: int) -> None:
        super().__init__()
        self.query, self.item, self.dim = query, item, dim


def interaction_towers(
    kind: str,
    n_items: int,
    dim: int,
    *,
    history_length: int | None = None,
    side: Mapping[str, Tensor] | None = None,
    dropout: float | None = None,
    table: PoolingTable | None = None,
    seed: int = 0,
) -> TwoTower:
    """Make the two towers for interactions, which share one item table, with settings that do well on real data.

    Args:
        kind: ``"history"`` (fast, good) or ``"sequence"`` (a transformer: slower, better).
        n_items: size of the catalogue.
        dim: width of the vectors.
        history_length: places of a history; by default 20 for ``history``, 100 for ``sequence``.
        side: categorical features of the items, as in :class:`~poeem.towers.item_table.ItemTable`.
        dropout: of both towers; by default 0 for ``history``, 0.2 for ``sequence``.
        table: used in place of an :class:`~poeem.towers.item_table.ItemTable`, for instance a
            :class:`~poeem.towers.compressed_table.CompressedTable`.
        seed: of the initial weights; the global generator is left as it was.
    Returns:
        the towers, which share the table.
    Raises:
        ValueError: ``kind`` is unknown, or a size is below 1.
    """
    if kind not in KINDS:
        raise ValueError(f"kind (={kind!r}) must be one of {', '.join(map(repr, KINDS))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        table = ItemTable(n_items, dim, side=side) if table is None else table
        if kind == "history":
            query = HistoryTower(
                table,
                dim,
                history_length=20 if history_length is None else history_length,
                dropout=0.0 if dropout is None else dropout,
            )
        else:
            dropout = 0.2 if dropout is None else dropout
            query = SequenceTower(
                table, dim, history_length=100 if history_length is None else history_length, dropout=dropout
            )
        return TwoTower(query, ItemTower(table, dim), dim)

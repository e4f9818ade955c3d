"""The protocols of towers: any ``nn.Module`` with these calls fits, without inheritance."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

# An empty place of a history, on its left.
EMPTY = -1


@runtime_checkable
class QueryTower(Protocol):
    """Protocol of a query tower: from a history of items to a query vector.

    It maps int64 item numbers ``(B, L)``, oldest first, right-aligned, -1 for an empty place, to ``(B, dim)``. A
    history without items must give a finite vector.
    """

    def __call__(self, history: Tensor, /) -> Tensor: ...


@runtime_checkable
class EveryPositionTower(QueryTower, Protocol):
    """Protocol of a query tower that also gives the vector after each item of the history, in one pass."""

    def every_position(self, history: Tensor, /) -> Tensor:
        """Return the vector after each item: ``(B, L)`` to ``(B, L, dim)``. Position ``i`` must not see later items."""
        ...


@runtime_checkable
class ItemTower(Protocol):
    """Protocol of an item tower: from int64 item numbers ``(n,)`` in ``[0, n_items)`` to ``(n, dim)``, also for items
    that were never trained.
    """

    def __call__(self, items: Tensor, /) -> Tensor: ...


def check_history(history: Tensor, n_items: int) -> None:
    """Check that a tensor is a batch of histories.

    Args:
        history: int64, ``(B, L)``.
        n_items: size of the catalogue.
    Raises:
        ValueError: wrong dtype or shape, or a number outside ``[-1, n_items)``.

    >>> check_history(torch.tensor([[-1, 3]]), n_items=3)
    Traceback (most recent call last):
    ...
    ValueError: history has item number 3; numbers must be in [0, 3), or -1 where it is empty
    """
    if history.dtype != torch.int64 or history.dim() != 2 or history.shape[1] == 0:
        raise ValueError(f"history must be int64, (B, L), L > 0, not {history.dtype}, {tuple(history.shape)}")
    check_numbers("history", history, n_items, lowest=EMPTY)


def check_numbers(name: str, numbers: Tensor, n_items: int, lowest: int = 0) -> None:
    """Raise ValueError for item numbers outside ``[lowest, n_items)``. Only a CPU is checked; elsewhere the check would
    wait for the device.
    """
    if numbers.device.type != "cpu" or numbers.numel() == 0:
        return
    low, high = (int(end) for end in numbers.aminmax())
    if low < lowest or high >= n_items:
        wrong = low if low < lowest else high
        empty = ", or -1 where it is empty" if lowest == EMPTY else ""
        raise ValueError(f"{name} has item number {wrong}; numbers must be in [0, {n_items}){empty}")

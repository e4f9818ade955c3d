"""Compute vectors of items and histories by a trained model, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from poeem.data.histories import history_rows
from poeem.data.ragged import Ragged
from poeem.training.model import JointModel

ITEM_ROWS = 65536
QUERY_ROWS = 1024


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a model into eval mode and turn gradients off within the block. Afterwards each of its modules has its
    earlier mode again: a frozen part stays in eval mode.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def item_vectors(model: JointModel, items: np.ndarray) -> np.ndarray:
    """Compute the vectors of items by number ``(n,)`` with the item tower, before the index: float32 ``(n, dim)``."""
    return number_vectors(model, model.towers.item, items)


def number_vectors(model: JointModel, tower: torch.nn.Module, numbers: np.ndarray) -> np.ndarray:
    """Compute the vectors of numbers ``(n,)`` with a tower of the model: float32 ``(n, dim)``."""
    device = model.log_q.device
    with evaluating(model):
        parts = [
            tower(torch.from_numpy(numbers[start : start + ITEM_ROWS]).to(device)).float().cpu().numpy()
            for start in range(0, len(numbers), ITEM_ROWS)
        ]
    return np.concatenate(parts) if parts else np.empty((0, model.towers.dim), np.float32)


def query_vectors(model: JointModel, histories: Ragged) -> np.ndarray:
    """Compute the vectors of histories with the query tower: float32 ``(nq, dim)``."""
    query, device = model.towers.query, model.log_q.device
    length: Any = query.history_length
    parts = []
    with evaluating(model):
        for start in range(0, len(histories), QUERY_ROWS):
            rows = np.arange(start, min(start + QUERY_ROWS, len(histories)))
            history = torch.from_numpy(history_rows(histories, rows, length)).to(device)
            parts.append(query(history).float().cpu().numpy())
    return np.concatenate(parts) if parts else np.empty((0, model.towers.dim), np.float32)

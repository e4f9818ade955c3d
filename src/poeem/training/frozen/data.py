"""FrozenData: vectors, exact rankings and labels for a fit; FrozenBatches: its training batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from poeem.data.ragged import Ragged
from poeem.training.frozen.candidates import Candidates

# Number of vectors from which the mean length is computed.
SAMPLED_ROWS = 2**14


@dataclass(frozen=True, eq=False)
class FrozenData:
    """The data of a fit: vectors, exact rankings and labels.

    Args:
        items: float32, ``(n, dim)``, may be memory-mapped; of unit length under ``cosine``.
        queries: float32, ``(nq, dim)``; of unit length under ``cosine``.
        top: int64, ``(nq, k)``: best items of every query by exact scores.
        relevant: rows of the relevant items of every query; None without labels.
        codes, lists: codes ``(n, M)`` and lists ``(n,)`` that stay fixed while codebooks and adapter learn (JPQ); None:
            items are assigned at every step.
        spread: how much higher than that of the 50th item the best item's exact score is, mean over queries; None: not
            known.
    """

    items: Any
    queries: np.ndarray
    top: np.ndarray
    relevant: Ragged | None = None
    codes: np.ndarray | None = None
    lists: np.ndarray | None = None
    spread: float | None = None

    @property
    def item_length(self) -> float:
        """Root mean square of the items' L2 norms."""
        return _typical_length(self.items)

    @property
    def query_length(self) -> float:
        """Root mean square of the queries' L2 norms."""
        return _typical_length(self.queries)


class FrozenBatches:
    """Training batches: the rows that ``Candidates`` chooses, with their vectors and fixed codes.

    Args:
        data: vectors, rankings, labels.
        batch_size, sampled, seed: see ``Candidates``.
    """

    def __init__(self, data: FrozenData, *, batch_size: int, sampled: int, seed: int) -> None:
        self._data = data
        self._candidates = Candidates(data.top, data.relevant, batch_size=batch_size, sampled=sampled, seed=seed)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches per epoch; the last incomplete batch is dropped."""
        return self._candidates.steps_per_epoch

    def batch(self, step: int, rank: int = 0, world: int = 1) -> dict[str, torch.Tensor]:
        """Return the arguments of ``FrozenModel.forward`` for a step. Every process gets the same batch."""
        rows, data = self._candidates.step(step), self._data
        arrays = {
            "queries": data.queries[rows.queries].astype(np.float32),
            "items": np.asarray(data.items[rows.items], dtype=np.float32),
            **{name: getattr(rows, name) for name in rows._fields[2:]},
        }
        for name, array in (("codes", data.codes), ("lists", data.lists)):
            if array is not None:
                arrays[name] = array[rows.items].astype(np.int64)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _typical_length(vectors: Any) -> float:
    sample = np.asarray(vectors[:SAMPLED_ROWS], dtype=np.float64)
    return float(np.sqrt((sample**2).sum(1).mean()))

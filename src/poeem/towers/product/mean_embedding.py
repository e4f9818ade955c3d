"""MeanEmbedding: the mean of the vectors of a row's tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MeanEmbedding(nn.Module):
    """The mean of the vectors of a row's tokens, ``(1 / n) Σ_i w_i`` over its ``n`` filled places; zero for a row
    without tokens.

    Args:
        n_tokens: size of the vocabulary.
        width: of the vectors.
        std: spread of the vectors at the start; by default ``1 / (4 sqrt(width))``, as in
            :class:`~poeem.towers.item_table.ItemTable`.
    Raises:
        ValueError: a size below 1.

    >>> table = MeanEmbedding(2, 2)
    >>> _ = table.vectors.weight.data.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    >>> table(torch.tensor([[0, 1], [1, -1], [-1, -1]])).detach()
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000],
            [0.0000, 0.0000]])
    """

    def __init__(self, n_tokens: int, width: int, *, std: float | None = None) -> None:
        super().__init__()
        for name, size in (("n_tokens", n_tokens), ("width", width)):
            if size < 1:
                raise ValueError(f"{name} (={size}) must be at least 1")
        self.n_tokens, self.width = n_tokens, width
        # Row 0 is an empty place: zero, and without a gradient.
        self.vectors = nn.Embedding(n_tokens + 1, width, padding_idx=0)
        nn.init.normal_(self.vectors.weight, std=width**-0.5 / 4 if std is None else std)
        with torch.no_grad():
            self.vectors.weight[0].zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the means of rows of tokens.

        Args:
            tokens: int64, ``(n, L)``, in ``[0, n_tokens)``, -1 for an empty place.
        Returns:
            ``(n, width)``.
        """
        return F.embedding_bag(tokens + 1, self.vectors.weight, mode="mean", padding_idx=0)

    def each(self, tokens: Tensor) -> Tensor:
        """Return the vector of every token: int64 ``(...)`` to ``(..., width)``; zero for an empty place."""
        return self.vectors(tokens + 1)

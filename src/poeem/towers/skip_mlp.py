"""SkipMLP: a two-layer perceptron with a skip connection."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SkipMLP(nn.Module):
    """A two-layer perceptron with a skip connection: ``y = x + W2 silu(W1 x)``.

    Where the widths differ, ``S x`` stands in place of ``x``. At the start the perceptron adds nothing (``W2 = 0``) and
    ``S`` adds up the blocks of ``x``. A tower thus starts as its embeddings, which already retrieve, and learns the
    changes.

    Args:
        width: width of the input.
        dim: width of the output. If it differs, ``width`` should be a multiple of it.
        hidden: width between the layers.
        dropout: share of hidden units dropped in training.

    >>> SkipMLP(4, 2, hidden=8)(torch.tensor([[1.0, 2.0, 10.0, 20.0]])).detach()
    tensor([[11., 22.]])
    """

    def __init__(self, width: int, dim: int, *, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)
        self.skip = None if width == dim else nn.Linear(width, dim, bias=False)
        with torch.no_grad():
            self.narrow.weight.zero_()
            self.narrow.bias.zero_()
            if self.skip is not None and width % dim == 0:
                self.skip.weight.copy_(torch.eye(dim).repeat(1, width // dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., width)`` to ``(..., dim)``."""
        straight = x if self.skip is None else self.skip(x)
        # Not gelu: on a CPU it uses oneDNN, whose cache grows by every new number of rows, up to gigabytes.
        return straight + self.narrow(self.dropout(nn.functional.silu(self.widen(x))))

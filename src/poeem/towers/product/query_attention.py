"""QueryAttention: a query's rows attend to a list of behaviours, or to nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.towers.product.self_attention import masked_attention

# Vectors start with a length of about 1/4, so their products are below 1/16.
QUERY_SCALE = 16.0


class QueryAttention(nn.Module):
    """Attention of a query's rows to a list of behaviours or to nothing: ``softmax(s Q [0; H]^T) [0; H]``, ``s``
    learned.

    The zero row has the score 0 for every query. A query to which no behaviour matters attends to it, and its result is
    near zero: a user who looks for a phone is not shown shoes because of the shoes bought before. Without the zero row
    the weights of the behaviours would add up to 1 for every query.

    Args:
        scale: value of ``s`` at the start.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.2.

    >>> attention = QueryAttention(scale=1.0)
    >>> q, h = torch.tensor([[[10.0, 0.0], [-10.0, 0.0]]]), torch.tensor([[[10.0, 0.0]]])
    >>> attention(q, h, torch.tensor([[True]])).detach().round()  # the second row attends to the zero row
    tensor([[[10.,  0.],
             [ 0.,  0.]]])
    """

    def __init__(self, scale: float = QUERY_SCALE) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale (={scale}) must be above 0; 16 suits vectors of a length of 1/4")
        self.log_scale = nn.Parameter(torch.tensor(float(scale)).log())

    def forward(self, query: Tensor, behaviours: Tensor, filled: Tensor, values: Tensor | None = None) -> Tensor:
        """Attend to the behaviours by the query.

        Args:
            query: float, ``(B, G, d)``: rows of the query.
            behaviours: float, ``(B, L, d)``.
            filled: bool, ``(B, L)``: False for an empty place, whose rows are not used.
            values: float, ``(B, L, d)``: what is summed by the weights; default the behaviours.
        Returns:
            ``(B, G, d)``; zero where no place is filled.
        """
        rows = _with_zero_row(behaviours, filled)
        values = rows if values is None else _with_zero_row(values, filled)
        filled = F.pad(filled, (1, 0), value=True)[:, None]
        return masked_attention((self.log_scale.exp() * query)[:, None], rows, values, filled, scale=1.0)[:, 0]


def _with_zero_row(rows: Tensor, filled: Tensor) -> Tensor:
    """``[0; rows]``, ``(B, 1, 1 + L, d)``. An empty place has weight 0, but its row may hold anything: it becomes 0."""
    return F.pad(rows.masked_fill(~filled[..., None], 0.0), (0, 0, 1, 0))[:, None]

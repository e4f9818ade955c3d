"""QueryAttention: a query's rows attend to a list of behaviours, or to nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QueryAttention(nn.Module):
    """Attention of a query's rows to a list of behaviours or to nothing: ``softmax(s Q [0; H]^T) [0; H]``, ``s``
    learned.

    The zero row has the score 0 for every query. A query to which no behaviour matters attends to it, and its result is
    near zero: a user who looks for a phone is not shown shoes because of the shoes bought before. Without the zero row
    the weights of the behaviours would add up to 1 for every query.

    Args:
        scale: value of ``s`` at the start. Vectors start with a length of about 1/4, so their products are below 1/16.
    Source:
        Li et al., "Embedding-based product retrieval in Taobao search", KDD 2021, section 3.2.2.

    >>> attention = QueryAttention(scale=1.0)
    >>> q, h = torch.tensor([[[10.0, 0.0], [-10.0, 0.0]]]), torch.tensor([[[10.0, 0.0]]])
    >>> attention(q, h, torch.tensor([[True]])).detach().round()  # the second row attends to the zero row
    tensor([[[10.,  0.],
             [ 0.,  0.]]])
    """

    def __init__(self, scale: float = 16.0) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale (={scale}) must be above 0; 16 suits vectors of a length of 1/4")
        self.log_scale = nn.Parameter(torch.tensor(float(scale)).log())

    def forward(self, query: Tensor, behaviours: Tensor, filled: Tensor) -> Tensor:
        """Attend to the behaviours by the query.

        Args:
            query: float, ``(B, G, d)``: rows of the query.
            behaviours: float, ``(B, L, d)``.
            filled: bool, ``(B, L)``: False for an empty place, whose row is not used.
        Returns:
            ``(B, G, d)``; zero where no place is filled.
        """
        logits = self.log_scale.exp() * (query @ behaviours.transpose(1, 2))
        logits = logits.masked_fill(~filled[:, None], torch.finfo(logits.dtype).min)
        # The zero row adds exp(0) to the sum of the weights and nothing to the result.
        weights = torch.cat([logits.new_zeros(*logits.shape[:2], 1), logits], 2).softmax(2)[..., 1:]
        # An empty place has weight 0, but its row may hold anything.
        return weights @ behaviours.masked_fill(~filled[..., None], 0.0)

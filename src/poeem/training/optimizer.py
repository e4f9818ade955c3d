"""The optimizer: AdamW, with weight decay where it means something."""

from __future__ import annotations

import torch
from torch import nn

from poeem.layers.embedding_index import EmbeddingIndex


def make_optimizer(model: nn.Module, *, lr: float, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """AdamW over all parameters; weight decay on matrices only.

    Embeddings are left out of the decay (a rare item's vector would shrink between its visits), so are biases, norms
    and single weights, and so is the index: its words stand where the vectors are, not near the origin.

    Raises:
        ValueError: ``lr`` is not above 0, or ``weight_decay`` is negative.
    """
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr (={lr}) must be a number above 0; 1e-3 suits Adam")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay (={weight_decay}) must be 0 or more")
    kept = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.Embedding | EmbeddingIndex)
        for parameter in module.parameters()
    }
    decayed, rest = [], []
    for parameter in model.parameters():
        (rest if id(parameter) in kept or parameter.ndim < 2 else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    # One kernel over all parameters: an index adds a handful of small ones, whose separate steps would cost more than
    # its arithmetic.
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=True)

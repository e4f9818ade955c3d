"""AdamW with weight decay on matrices only, and its own learning rate for the index."""

from __future__ import annotations

import torch
from torch import nn

from poeem.layers.embedding_index import EmbeddingIndex


def make_optimizer(
    model: nn.Module, *, lr: float, weight_decay: float = 0.0, index_lr: float = 1.0
) -> torch.optim.AdamW:
    """Make AdamW over all parameters, with weight decay on matrices only.

    Embeddings do not decay, because the vector of a rare item would shrink between its batches. Biases, norms and
    single weights do not decay. The index does not decay: its codewords lie near the vectors, not near the origin.

    Args:
        model: may hold an ``EmbeddingIndex``.
        lr: learning rate.
        weight_decay: weight decay of the matrices.
        index_lr: factor on ``lr`` for the index. Every parameter group stores its factor as ``"lr_factor"``, for the
            schedule.
    Returns:
        the optimizer.
    Raises:
        ValueError: ``lr`` is not above 0, or ``weight_decay`` or ``index_lr`` is negative.
    """
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr (={lr}) must be a number above 0; 1e-3 suits Adam")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay (={weight_decay}) must be 0 or more")
    if not 0 <= index_lr < float("inf"):
        raise ValueError(f"index_lr (={index_lr}) must be 0 or more: a factor on lr; 1 is the same rate")
    indexed = _parameters_in(model, EmbeddingIndex)
    undecayed = indexed | _parameters_in(model, nn.Embedding)
    decayed, rest, index = [], [], []
    for parameter in model.parameters():
        if id(parameter) in indexed and index_lr != 1:
            index.append(parameter)
        else:
            (rest if id(parameter) in undecayed or parameter.ndim < 2 else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay, "lr_factor": 1.0},
        {"params": rest, "weight_decay": 0.0, "lr_factor": 1.0},
        {"params": index, "weight_decay": 0.0, "lr_factor": index_lr, "lr": index_lr * lr},
    ]
    # Fused: an index adds a few small parameters, whose separate kernels would take longer than the arithmetic.
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=True)


def _parameters_in(model: nn.Module, kind: type[nn.Module]) -> set[int]:
    return {id(p) for module in model.modules() if isinstance(module, kind) for p in module.parameters()}

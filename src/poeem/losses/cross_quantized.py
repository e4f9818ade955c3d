"""Cross-quantized contrastive loss: the vector of one view of an image against the quantized vectors of the other."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_quantized(
    first: Tensor,
    second: Tensor,
    first_quantized: Tensor,
    second_quantized: Tensor,
    *,
    temperature: float = 0.5,
    debias: float = 0.0,
    memory: Tensor | None = None,
) -> Tensor:
    """Compute the cross-quantized contrastive loss of two views of the same images.

    It is the mean over all rows of ``-log e^s(i, i') / (e^s(i, i') + Σ_j e^s(i, j))`` with ``s = cos / temperature``.
    The rows are those of two stacks, ``[first; second_quantized]`` and ``[second; first_quantized]``. The partner
    ``i'`` of a row is the other row of its stack that comes from the same image. The negatives ``j`` are all other rows
    of the stack. The vector and the quantized vector of one view are in different stacks, so they are never a pair.

    It needs no labels, only two views of each image. With the float vectors in place of the quantized ones it is the
    plain contrastive loss (NT-Xent).

    Args:
        first, second: float, ``(B, dim)``: vectors of two views of the same images, before quantization.
        first_quantized, second_quantized: float, ``(B, dim)``: the layer's ``out.embedding`` of the same views.
        temperature: above 0; divides the cosines.
        debias: probability that a negative shows the same thing as its row, 0 to below 1. The expected share of such
            pairs is subtracted from the sum over the negatives. 0 is the plain loss; 1 / number of classes is usual.
        memory: float, ``(m, dim)``: decoded vectors of earlier images, negatives of every row; None: none. All vectors
            are normalised here.
    Returns:
        scalar, nats.
    Raises:
        ValueError: shapes differ, fewer than two images, or a number is out of range.
    Source:
        Jang, Cho, "Self-supervised product quantization for deep unsupervised image retrieval", ICCV 2021, section 3.3.
        Debiasing: Chuang et al., "Debiased contrastive learning", 2020, equation 8. Memory of codes: Wang et al.,
        "Contrastive quantization with code memory for unsupervised image retrieval" (MeCoQ), AAAI 2022.

    >>> views = torch.eye(2)
    >>> cross_quantized(views, views, views, views, temperature=1.0)  # log(1 + 2/e): cosine 1 with the partner, 0 else
    tensor(0.5514)
    """
    _check((first, second, first_quantized, second_quantized), temperature, debias, memory)
    # Cosines decide ranks: bfloat16 would round them to 0.01.
    with torch.autocast(first.device.type, enabled=False):
        first, second, first_quantized, second_quantized = (
            F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)
            for x in (first, second, first_quantized, second_quantized)
        )
        extra = None if memory is None else F.normalize(memory.to(first.dtype), dim=1)
        stacks = (first, second_quantized), (second, first_quantized)
        losses = [_stack_loss(torch.cat(stack), temperature, debias, extra) for stack in stacks]
        return (losses[0] + losses[1]) / 2


def _stack_loss(rows: Tensor, temperature: float, debias: float, memory: Tensor | None) -> Tensor:
    """The mean loss of a stack ``(2B, dim)`` of unit vectors in which row ``i + B`` is the partner of row ``i``."""
    half = len(rows) // 2
    logits = rows @ rows.T / temperature
    positive = torch.cat([logits.diagonal(half), logits.diagonal(-half)])
    own = torch.eye(2 * half, dtype=torch.bool, device=rows.device)
    negatives = logits.masked_fill(own | own.roll(half, 0), -torch.inf)
    count = 2 * half - 2
    if memory is not None:
        negatives = torch.cat([negatives, rows @ memory.T / temperature], dim=1)
        count += len(memory)
    log_negatives = negatives.logsumexp(1)
    if debias:
        # Relative to the largest logit that there can be, e^(1 / temperature), so that nothing overflows.
        shift = 1 / temperature
        total, same = (log_negatives - shift).exp(), (positive - shift).exp()
        # The mean over true negatives cannot be below that of vectors of cosine -1.
        floor = max(count * math.exp(-2 * shift), torch.finfo(rows.dtype).tiny)
        total = ((total - debias * count * same) / (1 - debias)).clamp_min(floor)
        log_negatives = total.log() + shift
    return F.softplus(log_negatives - positive).mean()


def _check(views: tuple[Tensor, ...], temperature: float, debias: float, memory: Tensor | None) -> None:
    first = views[0]
    if first.dim() != 2 or len(first) < 2 or any(x.shape != first.shape for x in views):
        shapes = ", ".join(str(tuple(x.shape)) for x in views)
        raise ValueError(f"first, second and their quantized vectors must all be (B, dim), B > 1, not {shapes}")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature (={temperature}) must be greater than 0; 0.2 to 0.5 is usual")
    if not 0 <= debias < 1:
        raise ValueError(f"debias (={debias}) must be 0 to below 1; 1 / number of classes is usual")
    if memory is not None and (memory.dim() != 2 or memory.shape[1] != first.shape[1]):
        raise ValueError(f"memory must be (m, dim={first.shape[1]}), not {tuple(memory.shape)}")

"""Metrics of the use of codewords and lists: counts, perplexity, dead share, imbalance."""

from __future__ import annotations

import torch
from torch import Tensor


def count_codes(codes: Tensor, ksub: int) -> Tensor:
    """How many vectors use each codeword: codes ``(n, M)`` to int64 counts ``(M, ksub)``.

    >>> count_codes(torch.tensor([[0, 1], [0, 0]]), 2)
    tensor([[2, 0],
            [1, 1]])
    """
    M = codes.shape[1]
    rows = codes.long() + torch.arange(M, device=codes.device) * ksub
    return torch.bincount(rows.flatten(), minlength=M * ksub).view(M, ksub)


def perplexity(counts: Tensor) -> Tensor:
    """``exp(entropy)`` of the codewords' shares, mean over codebooks: ``ksub`` if all are used equally, 1 if one is.

    Args:
        counts: ``(M, ksub)``; a codebook that was never used counts as 0.

    >>> perplexity(torch.tensor([[5, 5], [8, 0]]))
    tensor(1.5000)
    """
    total = counts.sum(1, keepdim=True)
    shares = counts / total.clamp_min(1)
    entropy = torch.special.entr(shares).sum(1)
    return torch.where(total[:, 0] > 0, entropy.exp(), 0.0).mean()


def dead_share(counts: Tensor) -> Tensor:
    """Share of codewords that no vector uses, 0 to 1.

    >>> dead_share(torch.tensor([[5, 5], [8, 0]]))
    tensor(0.2500)
    """
    return (counts == 0).float().mean()


def imbalance_factor(counts: Tensor) -> Tensor:
    """``nlist * sum_j p_j²`` of the lists' shares: 1 when all have one length, ``nlist`` when one holds all vectors.

    The factor by which uneven lists lengthen a search that visits lists by their popularity (faiss's
    ``imbalance_factor``).

    Args:
        counts: ``(nlist,)`` vectors per list.

    >>> imbalance_factor(torch.tensor([3, 1]))
    tensor(1.2500)
    """
    shares = counts / counts.sum().clamp_min(1)
    return len(counts) * shares.square().sum()

"""Measures of how evenly codewords and lists are used."""

from __future__ import annotations

import torch
from torch import Tensor


def count_codes(codes: Tensor, ksub: int) -> Tensor:
    """Count how many vectors use each codeword.

    Args:
        codes: integers in ``[0, ksub)``, ``(n, M)``.
        ksub: codewords per codebook.
    Returns:
        int64, ``(M, ksub)``.

    >>> count_codes(torch.tensor([[0, 1], [0, 0]]), 2)
    tensor([[2, 0],
            [1, 1]])
    """
    M = codes.shape[1]
    rows = codes.long() + torch.arange(M, device=codes.device) * ksub
    return torch.bincount(rows.flatten(), minlength=M * ksub).view(M, ksub)


def perplexity(counts: Tensor) -> Tensor:
    """Compute how many codewords are in effective use: ``exp(entropy)`` of their shares, mean over codebooks.

    It is ``ksub`` if all codewords are used equally often, and 1 if only one is used.

    Args:
        counts: ``(M, ksub)``, vectors per codeword; a codebook without vectors counts as 0.
    Returns:
        float scalar.

    >>> perplexity(torch.tensor([[5, 5], [8, 0]]))
    tensor(1.5000)
    """
    total = counts.sum(1, keepdim=True)
    shares = counts / total.clamp_min(1)
    entropy = torch.special.entr(shares).sum(1)
    return torch.where(total[:, 0] > 0, entropy.exp(), 0.0).mean()


def dead_share(counts: Tensor) -> Tensor:
    """Compute the share of codewords that no vector uses.

    Args:
        counts: ``(M, ksub)``, vectors per codeword.
    Returns:
        float scalar, 0 to 1.

    >>> dead_share(torch.tensor([[5, 5], [8, 0]]))
    tensor(0.2500)
    """
    return (counts == 0).float().mean()


def imbalance_factor(counts: Tensor) -> Tensor:
    """Compute how much longer a search takes because lists differ in length: ``nlist * sum_j p_j²`` of the lists'
    shares.

    It assumes that lists are visited as often as they hold items; faiss has the same figure.

    Args:
        counts: ``(nlist,)``, vectors per list.
    Returns:
        float scalar: 1 if all lists have one length, ``nlist`` if one list holds all vectors, 0 without vectors.

    >>> imbalance_factor(torch.tensor([3, 1]))
    tensor(1.2500)
    """
    shares = counts / counts.sum().clamp_min(1)
    return len(counts) * shares.square().sum()

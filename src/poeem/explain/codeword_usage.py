"""Measure how evenly the codewords of an index are used."""

from __future__ import annotations

import numpy as np
import torch

from poeem.functional.usage import dead_share, perplexity


def codeword_figures(counts: np.ndarray) -> dict[str, float]:
    """Return figures about the use of codewords.

    Args:
        counts: number of vectors of each codeword, ``(M, ksub)``.
    Returns:
        ``ksub``; ``perplexity`` (``ksub`` if all codewords are used equally); ``dead_share``, the fraction of unused
        codewords; ``largest_share``, the largest fraction of vectors that have the same codeword.

    >>> codeword_figures(np.array([[5, 5, 0, 0]]))
    {'ksub': 4, 'perplexity': 2.0, 'dead_share': 0.5, 'largest_share': 0.5}
    """
    tensor = torch.from_numpy(counts).double()
    return {
        "ksub": counts.shape[1],
        "perplexity": round(float(perplexity(tensor)), 6),
        "dead_share": float(dead_share(tensor)),
        "largest_share": float((counts.max(1) / np.maximum(counts.sum(1), 1)).max()),
    }

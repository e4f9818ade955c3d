"""How evenly the codewords of an index are used."""

from __future__ import annotations

import numpy as np
import torch

from poeem.functional.usage import dead_share, perplexity


def codeword_figures(counts: np.ndarray) -> dict[str, float]:
    """Perplexity (``ksub`` for even use), the share of dead codewords, and the largest share of a single codeword.

    Args:
        counts: vectors of each codeword, ``(M, ksub)``.

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

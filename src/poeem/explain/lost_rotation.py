"""Find and restore a lost rotation: the codes are of rotated vectors, but the index does not rotate."""

from __future__ import annotations

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer
from poeem.explain.refits import rotate_index
from poeem.functional.procrustes import procrustes

# A lost rotation removes at least this share of the squared error of held-out items. A rotation that only fits a little
# better removes far less.
_REMOVED_ERROR = 0.3
_ROWS = 20_000


def restore_rotation(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """Return the index with its lost rotation restored, found by Procrustes; the same index if no rotation was lost.

    Args:
        bundle: the index.
        items: float32, ``(n, dim)``, of unit length under ``cosine``.
        seed: seed of the sample.
    """
    rows = np.random.default_rng(seed).permutation(len(items))[:_ROWS]
    x, decoded = torch.from_numpy(items[rows]), torch.from_numpy(ReferenceScorer(bundle).decode(rows))
    half = len(rows) // 2
    if half < 2:
        return bundle
    # decoded = x R: fitted to one half of the items, tested on the other.
    rotation = procrustes(x[:half], decoded[:half])
    error = (x[half:] - decoded[half:]).square().sum()
    error_rotated = (x[half:] @ rotation - decoded[half:]).square().sum()
    if error_rotated > (1 - _REMOVED_ERROR) * error:
        return bundle
    return rotate_index(bundle, procrustes(x, decoded).numpy())

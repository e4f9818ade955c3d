"""Finds and restores a lost rotation: codes of rotated vectors in an index that does not rotate queries."""

from __future__ import annotations

import numpy as np
import torch

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer
from poeem.explain.refits import turned
from poeem.functional.procrustes import procrustes

# Share of the squared error that a rotation must take away, on items it was not found by, to be one that was lost.
# A rotation that merely fits a little better takes away far less.
_TAKES_AWAY = 0.3
_ROWS = 20_000


def repaired(bundle: Bundle, items: np.ndarray, seed: int = 0) -> Bundle:
    """The bundle with the rotation put back that brings items nearest to their codes, if it was lost; else itself.

    Args:
        bundle: the index.
        items: prepared, ``(n, dim)``.
        seed: of the sample.
    """
    rows = np.random.default_rng(seed).permutation(len(items))[:_ROWS]
    x, decoded = torch.from_numpy(items[rows]), torch.from_numpy(ReferenceScorer(bundle).decode(rows))
    half = len(rows) // 2
    if half < 2:
        return bundle
    # decoded = x R: found on one half of the items, judged on the other.
    rotation = procrustes(x[:half], decoded[:half])
    now = (x[half:] - decoded[half:]).square().sum()
    then = (x[half:] @ rotation - decoded[half:]).square().sum()
    if then > (1 - _TAKES_AWAY) * now:
        return bundle
    return turned(bundle, procrustes(x, decoded).numpy())

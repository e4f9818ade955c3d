"""OnnxReport: how the outputs of an ONNX file differ from those of PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OnnxReport:
    """A comparison of onnxruntime with PyTorch on a sample.

    Both add the same products in another order. So an item whose two nearest codewords are equally near, up to
    rounding, may get the other code.

    Args:
        rows: items compared.
        differing: share of the items whose code or list differs, 0 to 1.
        worst_error: largest difference of a vector's entries, over its norm; 0 if no vectors were compared.
    """

    rows: int
    differing: float
    worst_error: float = 0.0

    def __str__(self) -> str:
        error = f", vectors differ by at most {self.worst_error:.1e} of their norm" if self.worst_error else ""
        return f"{self.differing:.2%} of {self.rows:,} items have another code than in PyTorch{error}"


def differing_share(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Return the share of rows that differ in one of several outputs, codes ``(n, M)`` and perhaps lists ``(n,)``."""
    rows = len(expected[0])
    differs = np.zeros(rows, bool)
    for one, two in zip(found, expected):
        differs |= (one.reshape(rows, -1) != two.reshape(rows, -1)).any(1)
    return float(differs.mean()) if rows else 0.0

"""The fingerprint of a trained index. Only codes of the same fingerprint may be scored, merged or searched together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from poeem.spec import IndexSpec


def fingerprint(spec: IndexSpec, metric: str, dim: int, arrays: Mapping[str, np.ndarray]) -> str:
    """Return SHA-256 over spec, metric, dim and arrays. Ids and codes have no effect on it.

    Args:
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        arrays: float32 arrays by their names in the bundle, in any order.
    Returns:
        64 hexadecimal digits, the same on every machine.

    >>> fingerprint(IndexSpec.parse("PQ1"), "ip", 1, {"codebooks": np.zeros((1, 256, 1), np.float32)})[:16]
    'a8459bd0aa4c7850'
    """
    names = sorted(arrays)
    header = {
        "spec": str(spec),
        "metric": metric,
        "dim": int(dim),
        "arrays": [[name, list(arrays[name].shape)] for name in names],
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for name in names:
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes())
    return digest.hexdigest()

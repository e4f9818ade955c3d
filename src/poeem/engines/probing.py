"""Rules for the inverted lists that a query visits, shared by the reference and all engines."""

from __future__ import annotations

import numpy as np

from poeem.bundle.centroid_norms import have_equal_norms
from poeem.spec import IndexSpec


def probes_by_inner_product(spec: IndexSpec, metric: str, coarse: np.ndarray) -> bool:
    """Return True if lists are ranked by ``<q, C_j>``, False if by ``‖q - C_j‖²``.

    Under ``l2``: no. Under ``ip`` and ``cosine``: yes, if all centroids have the same norm. The layer trains them so by
    default. Both rankings agree then, so an engine that assigns new rows by its quantizer picks the lists of the
    training. With centroids of different norms only the ranking by L2 does so. Additive codes (RQ) under ``ip`` and
    ``cosine``: yes in any case, because faiss adds the quantizer's distance to the score.

    >>> spec = IndexSpec.parse("IVF2,PQ1")
    >>> probes_by_inner_product(spec, "ip", np.eye(2)), probes_by_inner_product(spec, "ip", np.diag([1.0, 2.0]))
    (True, False)
    """
    if metric == "l2":
        return False
    return spec.kind == "RQ" or have_equal_norms(coarse)


def default_nprobe(nlist: int) -> int:
    """Return the default number of lists to visit: the square root of ``nlist``, 1 for a flat index.

    >>> default_nprobe(64), default_nprobe(1024), default_nprobe(0)
    (8, 32, 1)
    """
    return max(1, round(nlist**0.5))


def check_nprobe(nprobe: int | None, nlist: int, default: int) -> int:
    """Return the number of lists to visit: ``default`` if ``nprobe`` is None, else ``nprobe``, but at most ``nlist``.

    Raises:
        ValueError: ``nprobe`` is no whole number of at least 1.

    >>> check_nprobe(0, nlist=64, default=8)
    Traceback (most recent call last):
    ...
    ValueError: nprobe (=0) must be a whole number of at least 1; the index has 64 lists
    """
    if nprobe is None:
        return default
    if isinstance(nprobe, bool) or not isinstance(nprobe, int | np.integer) or nprobe < 1:
        raise ValueError(f"nprobe (={nprobe!r}) must be a whole number of at least 1; the index has {nlist} lists")
    return max(1, min(int(nprobe), nlist))

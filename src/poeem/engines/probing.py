"""The inverted lists that a query visits: one rule for the reference and for every engine."""

from __future__ import annotations

import numpy as np

from poeem.bundle.centroid_norms import have_equal_norms
from poeem.spec import IndexSpec


def probes_by_inner_product(spec: IndexSpec, metric: str, coarse: np.ndarray) -> bool:
    """Whether lists are ranked by ``<q, C_j>``, not by ``‖q - C_j‖²``.

    Under ``ip`` and ``cosine`` they are when all centroids have one norm, as the layer makes them: then both rankings
    agree, and an engine that assigns new rows by its quantizer takes the same lists as the training. With centroids of
    free norm only ranking by L2 keeps that assignment. An additive quantizer (RQ) takes the quantizer's distance for
    part of the score, so there it must be the inner product in any case.

    >>> spec = IndexSpec.parse("IVF2,PQ1")
    >>> probes_by_inner_product(spec, "ip", np.eye(2)), probes_by_inner_product(spec, "ip", np.diag([1.0, 2.0]))
    (True, False)
    """
    if metric == "l2":
        return False
    return spec.kind == "RQ" or have_equal_norms(coarse)


def default_nprobe(nlist: int) -> int:
    """Default number of lists to visit: the square root of their number, 1 for a flat index.

    >>> default_nprobe(64), default_nprobe(1024), default_nprobe(0)
    (8, 32, 1)
    """
    return max(1, round(nlist**0.5))


def check_nprobe(nprobe: int | None, nlist: int, default: int) -> int:
    """The number of lists to visit: ``default`` for None, at most ``nlist``.

    Raises:
        ValueError: it is no whole number of at least 1.

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

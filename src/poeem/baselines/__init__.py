"""Baselines: indexes built after training (post-hoc), for comparison with a jointly trained index.

These have the bytes of the options: ``pq``, ``opq``, ``rq``, ``rq-refined``, ``lsq``, ``scann``, ``opq-fastscan``,
``truncate-pq``, ``lsh``, ``itq``. These have bytes of their own: ``rabitq`` (``dim / 8 + 8``), ``binary``
(``dim / 8``), ``sq8`` (``dim``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from poeem.baselines import binary, itq, lsh, rabitq, scann, truncate_pq
from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.baselines.faiss_baselines import build_faiss_baseline
from poeem.data.split import Queries
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer
from poeem.spec import IndexSpec

_BUILDERS: dict[str, Callable[[np.ndarray, BuildOptions], Baseline]] = {
    "pq": partial(build_faiss_baseline, "pq"),
    "opq": partial(build_faiss_baseline, "opq"),
    "rq": partial(build_faiss_baseline, "rq"),
    "rq-refined": partial(build_faiss_baseline, "rq-refined"),
    "lsq": partial(build_faiss_baseline, "lsq"),
    "scann": scann.build,
    "opq-fastscan": partial(build_faiss_baseline, "opq-fastscan"),
    "truncate-pq": truncate_pq.build,
    "lsh": lsh.build,
    "itq": itq.build,
    "rabitq": rabitq.build,
    "binary": binary.build,
    "sq8": partial(build_faiss_baseline, "sq8"),
}
#: The names of all baselines.
BASELINES: tuple[str, ...] = tuple(_BUILDERS)


def build_baseline(name: str, items: np.ndarray, **options: Any) -> Baseline:
    """Build a baseline on item vectors.

    Args:
        name: one of :data:`BASELINES`.
        items: float, ``(n, dim)``.
        options: of `BuildOptions`: ``M``, ``nbits``, ``nlist``, ``nprobe``, ``metric``, ``seed``.
    Returns:
        the baseline.
    Raises:
        ValueError: there are too few vectors for the structure, or one is not finite.
    """
    return _BUILDERS[name](items, BuildOptions(**options))


def check_baselines(names: Iterable[str]) -> list[str]:
    """Return the names of baselines as a list, after a check.

    Raises:
        ValueError: a name is unknown, or occurs twice.

    >>> check_baselines(["opq", "rq"])
    ['opq', 'rq']
    """
    names = list(names)
    unknown = [name for name in names if name not in BASELINES]
    if unknown or len(set(names)) < len(names):
        raise ValueError(f"baselines (={','.join(names)}) must be different ones of {', '.join(BASELINES)}")
    return names


def evaluate_baselines(
    names: Iterable[str],
    items: np.ndarray,
    spec: IndexSpec,
    metric: str,
    queries: Queries,
    query_vectors: np.ndarray,
    nprobe: int | None = None,
    seed: int = 0,
    *,
    available: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Build baselines on float item vectors, with the bytes and lists of a spec, and compute their metrics.

    Args:
        names: keys of :data:`BASELINES`.
        items: float, ``(n, dim)``, of a model that was trained without an index.
        spec: gives ``M``, ``nbits`` and ``nlist``; baselines without bytes of their own have its ``bytes_per_vector``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        queries, query_vectors: of the same model, see :func:`poeem.evaluation.ranking.evaluate`.
        nprobe: lists visited per query; default all. LSH and sign bits have no lists and scan all codes.
        seed: of k-means and of random rotations.
        available: items that may be returned, see ``evaluate``; the index holds all items.
    Returns:
        by name the result of ``evaluate``, with ``bytes_per_vector`` and ``build_seconds`` (training and adding); with
        lists also ``scanned``, the share of the codes that a query scans.
    Raises:
        ValueError: a name is unknown, or there are too few vectors for a structure.
    """
    blocks: dict[str, dict[str, Any]] = {}
    for name in check_baselines(names):
        baseline = build_baseline(
            name, items, M=spec.M, nbits=spec.nbits, nlist=spec.nlist, nprobe=nprobe, metric=metric, seed=seed
        )
        block = evaluate(baseline, queries, query_vectors, exact_items=items, metric=metric, available=available)
        blocks[name] = block | {
            "bytes_per_vector": baseline.bytes_per_vector,
            "build_seconds": baseline.build_seconds,
        }
        if spec.nlist:
            scorer = baseline.scorer  # some have no lists, and scan all codes
            scanned = scorer.scanned_share(query_vectors) if isinstance(scorer, DecodedScorer) else 1.0
            blocks[name]["scanned"] = scanned
    return blocks

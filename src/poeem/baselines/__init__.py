"""Indexes built after training: what a jointly trained one has to beat.

At the bytes that are asked for: ``pq``, ``opq``, ``rq``, ``rq-refined``, ``lsq``, ``scann``, ``opq-fastscan``,
``truncate-pq``, ``lsh``.
At bytes of their own: ``rabitq`` (``dim / 8 + 8``), ``binary`` (``dim / 8``), ``sq8`` (``dim``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from poeem.baselines import binary, lsh, lsq, opq, opq_fastscan, pq, rabitq, rq, scann, sq8, truncate_pq
from poeem.baselines.baseline import Baseline
from poeem.data.split import Queries
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer
from poeem.spec import IndexSpec

BASELINES: dict[str, Callable[..., Baseline]] = {
    "pq": pq.build,
    "opq": opq.build,
    "rq": rq.build,
    "rq-refined": partial(rq.build, refined=True),
    "lsq": lsq.build,
    "scann": scann.build,
    "opq-fastscan": opq_fastscan.build,
    "truncate-pq": truncate_pq.build,
    "lsh": lsh.build,
    "rabitq": rabitq.build,
    "binary": binary.build,
    "sq8": sq8.build,
}


def check_baselines(names: Iterable[str]) -> list[str]:
    """The names as a list.

    Raises:
        ValueError: one of them is unknown, or there twice.

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
    """Baselines built on float item vectors with the bytes and lists of a spec, and what they reach.

    Args:
        names: words of :data:`BASELINES`.
        items: float, ``(n, dim)``, of a model that was trained without an index.
        spec: gives ``M``, ``nbits`` and ``nlist``; each baseline that can has its ``bytes_per_vector``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        queries, query_vectors: as for :func:`poeem.evaluation.ranking.evaluate`, of the same model.
        nprobe: lists visited a query; default all of them. LSH and sign bits have no lists and scan everything.
        seed: of k-means and of LSH's rotation.
        available: as for ``evaluate``; every item is in the index all the same.
    Returns:
        by name the block of ``evaluate``, with ``bytes_per_vector`` and ``build_seconds`` (training and adding); with
        lists also ``scanned``, the share of the codes that a query is compared with.
    Raises:
        ValueError: an unknown name, or a structure that the vectors cannot fill.
    """
    blocks: dict[str, dict[str, Any]] = {}
    for name in check_baselines(names):
        baseline = BASELINES[name](
            items, M=spec.M, nbits=spec.nbits, nlist=spec.nlist, nprobe=nprobe, metric=metric, seed=seed
        )
        block = evaluate(baseline, queries, query_vectors, exact_items=items, metric=metric, available=available)
        blocks[name] = block | {
            "bytes_per_vector": baseline.bytes_per_vector,
            "build_seconds": baseline.build_seconds,
        }
        if spec.nlist:
            scorer = baseline.scorer  # some have no lists, and scan everything
            scanned = scorer.scanned_share(query_vectors) if isinstance(scorer, DecodedScorer) else 1.0
            blocks[name]["scanned"] = scanned
    return blocks

"""Indexes built after training, at equal bytes: what a jointly trained one has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from poeem.data.split import Queries
from poeem.evaluation.baselines import lsh, opq, pq, rq
from poeem.evaluation.baselines.baseline import Baseline
from poeem.evaluation.ranking import evaluate
from poeem.spec import IndexSpec

BASELINES: dict[str, Callable[..., Baseline]] = {"pq": pq.build, "opq": opq.build, "rq": rq.build, "lsh": lsh.build}


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
) -> dict[str, dict[str, float]]:
    """Baselines built on float item vectors with the bytes and lists of a spec, and what they reach.

    Args:
        names: words of :data:`BASELINES`.
        items: float, ``(n, dim)``, of a model that was trained without an index.
        spec: gives ``M``, ``nbits`` and ``nlist``; each baseline has its ``bytes_per_vector``.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        queries, query_vectors: as for :func:`poeem.evaluation.ranking.evaluate`, of the same model.
        nprobe: lists visited a query; default all of them. LSH has no lists and scans everything.
        seed: of k-means and of LSH's rotation.
        available: as for ``evaluate``; every item is in the index all the same.
    Returns:
        by name the block of ``evaluate``, with ``bytes_per_vector`` and ``build_seconds`` (training and adding).
    Raises:
        ValueError: an unknown name, or a structure that the vectors cannot fill.
    """
    blocks: dict[str, dict[str, float]] = {}
    for name in check_baselines(names):
        baseline = BASELINES[name](
            items, M=spec.M, nbits=spec.nbits, nlist=spec.nlist, nprobe=nprobe, metric=metric, seed=seed
        )
        block = evaluate(baseline, queries, query_vectors, exact_items=items, metric=metric, available=available)
        blocks[name] = block | {
            "bytes_per_vector": baseline.bytes_per_vector,
            "build_seconds": baseline.build_seconds,
        }
    return blocks

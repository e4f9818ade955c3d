"""How even the inverted lists are, and how many of them a given number of scanned codes buys."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poeem.evaluation.scorers import DecodedScorer, pairwise_scores, prepared
from poeem.functional.usage import imbalance_factor


def scanned_by_nprobe(scorer: DecodedScorer, queries: np.ndarray) -> np.ndarray:
    """Mean codes scanned a query with 1, 2, ... nlist lists visited: float64 ``(nlist,)``.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.0], [0.0, 1.0]])
    >>> scorer = DecodedScorer(vectors, "ip", coarse=np.eye(2), lists=np.array([0, 0, 1]))
    >>> scanned_by_nprobe(scorer, vectors[[0, 2]])
    array([1.5, 3. ])
    """
    assert scorer.coarse is not None
    assert scorer.lists is not None
    lengths = np.bincount(scorer.lists, minlength=len(scorer.coarse))
    total = np.zeros(len(scorer.coarse))
    for start in range(0, len(queries), 256):
        some = prepared(queries[start : start + 256], scorer.metric, "queries")
        order = np.argsort(-pairwise_scores(some, scorer.coarse, scorer.probe_metric), axis=1)
        total += lengths[order].cumsum(1).sum(0)
    return total / len(queries)


def nprobe_for(scorer: DecodedScorer, queries: np.ndarray, codes: float) -> int:
    """The most lists that scan no more than ``codes`` a query on average; at least 1."""
    within = scanned_by_nprobe(scorer, queries) <= codes * (1 + 1e-9)
    return max(1, int(within.sum()))


def list_facts(counts: np.ndarray) -> dict[str, Any]:
    """``imbalance_factor`` (1 is even), and the lengths of the lists.

    >>> list_facts(np.array([4, 0, 4, 0]))
    {'nlist': 4, 'imbalance_factor': 2.0, 'p50': 2.0, 'p99': 4.0, 'longest': 4, 'empty': 2}
    """
    return {
        "nlist": len(counts),
        "imbalance_factor": float(imbalance_factor(torch.from_numpy(counts))),
        "p50": float(np.percentile(counts, 50)),
        "p99": float(np.percentile(counts, 99)),
        "longest": int(counts.max()),
        "empty": int((counts == 0).sum()),
    }

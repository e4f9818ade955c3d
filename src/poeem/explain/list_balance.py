"""Measure the sizes of the inverted lists, and how many codes are scanned if a given number of lists is visited."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poeem.evaluation.scorers import DecodedScorer, pairwise_scores, prepared
from poeem.functional.usage import imbalance_factor


def scanned_by_nprobe(scorer: DecodedScorer, queries: np.ndarray) -> np.ndarray:
    """Return the mean number of codes scanned per query for nprobe = 1, 2, ... nlist: float64 ``(nlist,)``.

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
        block = prepared(queries[start : start + 256], scorer.metric, "queries")
        order = np.argsort(-pairwise_scores(block, scorer.coarse, scorer.probe_metric), axis=1)
        total += lengths[order].cumsum(1).sum(0)
    return total / len(queries)


def nprobe_for(scorer: DecodedScorer, queries: np.ndarray, codes: float) -> int:
    """Return the largest nprobe that scans at most ``codes`` codes per query on average; at least 1."""
    within = scanned_by_nprobe(scorer, queries) <= codes * (1 + 1e-9)
    return max(1, int(within.sum()))


def list_figures(lengths: np.ndarray) -> dict[str, Any]:
    """Return the number of lists, the imbalance factor (1 if all lists are equally long) and quantiles of the lengths.

    >>> list_figures(np.array([4, 0, 4, 0]))
    {'nlist': 4, 'imbalance_factor': 2.0, 'p50': 2.0, 'p99': 4.0, 'longest': 4, 'empty': 2}
    """
    return {
        "nlist": len(lengths),
        "imbalance_factor": float(imbalance_factor(torch.from_numpy(lengths))),
        "p50": float(np.percentile(lengths, 50)),
        "p99": float(np.percentile(lengths, 99)),
        "longest": int(lengths.max()),
        "empty": int((lengths == 0).sum()),
    }

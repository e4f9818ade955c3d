"""Exact search for the best items of queries. Items come in blocks, which need not fit into memory together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from poeem.evaluation.neighbours import exact_neighbours
from poeem.evaluation.scorers import pairwise_scores
from poeem.training.frozen.list_visits import Visits

# Queries scored at a time if they visit lists: 64 MiB of scores.
QUERIES = 256
# Rows read at a time: 64 MiB at dim 256.
BLOCK_ROWS = 65_536


def blocks(vectors: np.ndarray, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Yield consecutive rows of vectors ``(n, dim)``, which may be memory-mapped, as float32 copies."""
    for start in range(0, len(vectors), rows):
        # What no float32 can hold becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            block = np.array(vectors[start : start + rows], dtype=np.float32, order="C")
        yield block


def top_items(
    queries: np.ndarray, item_blocks: Iterable[np.ndarray], k: int, *, metric: str, visits: Visits | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the ``k`` best items of every query by exact search.

    Args:
        queries: float32, ``(nq, dim)``.
        item_blocks: float32 ``(rows, dim)`` each; row numbers count through all blocks.
        k: results per query, at most the number of items.
        metric: ``"ip"``, ``"cosine"`` (an inner product too: nothing is normalised here) or ``"l2"``, whose scores are
            ``-‖q - x‖²``.
        visits: the lists that each query visits; None: all items are scored.
    Returns:
        scores float32, larger is better, and rows int64, both ``(nq, k)``, best first. If the lists of a query hold
        fewer items, the rest is ``-inf`` and -1. Items of equal score come in no fixed order.
    """
    import faiss

    faiss_metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    best_scores = np.empty((len(queries), 0), dtype=np.float32)
    best_rows = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for block in item_blocks:
        count = min(k, len(block))
        if visits is None:
            scores, rows = faiss.knn(queries, block, count, metric=faiss_metric)
            scores = -scores if metric == "l2" else scores
        else:
            scores, rows = _best_in_lists(queries, block, count, metric, visits, start)
        scores = np.concatenate([best_scores, scores], axis=1)
        rows = np.concatenate([best_rows, rows + start], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best_scores = np.take_along_axis(scores, order, axis=1)
        best_rows = np.take_along_axis(rows, order, axis=1)
        start += len(block)
    best_rows[np.isneginf(best_scores)] = -1
    return best_scores, best_rows


def _best_in_lists(
    queries: np.ndarray, block: np.ndarray, k: int, metric: str, visits: Visits, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows within a block of the ``k`` best items in the lists that each query visits, in any order."""
    lists, parts = visits.lists[start : start + len(block)], []
    for first in range(0, len(queries), QUERIES):
        chunk = slice(first, first + QUERIES)
        scores = pairwise_scores(queries[chunk], block, metric)
        scores[~visits.visited[chunk][:, lists]] = -np.inf
        rows = exact_neighbours(scores, k)
        parts.append((np.take_along_axis(scores, rows, axis=1), rows))
    return np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts])

"""The best items of many queries, over blocks of items that need not fit into memory together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

# Rows read at a time: 64 MiB at dim 256.
BLOCK_ROWS = 65_536


def blocks(vectors: np.ndarray, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Float32 copies of consecutive rows of (possibly memory-mapped) vectors ``(n, dim)``."""
    for start in range(0, len(vectors), rows):
        yield np.array(vectors[start : start + rows], dtype=np.float32, order="C")


def top_items(
    queries: np.ndarray, item_blocks: Iterable[np.ndarray], k: int, *, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows of the ``k`` best items of every query, by exact search.

    Args:
        queries: float32, ``(nq, dim)``.
        item_blocks: float32 ``(rows, dim)`` each; rows are counted through all of them.
        k: results a query, at most as many as there are items.
        metric: ``"ip"`` (also for ``cosine``, of unit vectors) or ``"l2"`` (scores are then ``-‖q - x‖²``).
    Returns:
        float32 scores, larger is better, and int64 rows, both ``(nq, k)``, best first.
    """
    import faiss

    measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    best_scores = np.empty((len(queries), 0), dtype=np.float32)
    best_rows = np.empty((len(queries), 0), dtype=np.int64)
    start = 0
    for block in item_blocks:
        scores, rows = faiss.knn(queries, block, min(k, len(block)), metric=measure)
        scores = np.concatenate([best_scores, -scores if metric == "l2" else scores], axis=1)
        rows = np.concatenate([best_rows, rows + start], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best_scores = np.take_along_axis(scores, order, axis=1)
        best_rows = np.take_along_axis(rows, order, axis=1)
        start += len(block)
    return best_scores, best_rows

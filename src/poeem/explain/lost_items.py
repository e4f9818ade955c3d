"""Why the index misses items that exact search finds, item by item, for one query."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import check_nprobe
from poeem.engines.reference import ReferenceScorer


class LostItem(NamedTuple):
    """An item among the exact best that is not among the index's.

    Args:
        row: row in the bundle.
        cause: ``probing`` if its inverted list is not visited, else ``code``; the words of ``poeem explain``.
        rank: its rank by codes among the visited items, from 1; None if its list is not visited.
        score: its score by codes.
        text: the same as a sentence.
    """

    row: int
    cause: str
    rank: int | None
    score: float
    text: str


class Scanned(NamedTuple):
    """What a query visits.

    Args:
        lists: inverted lists that it visits; 0 for a flat index.
        rows: items whose codes are scanned.
        lost: the lost items.
    """

    lists: int
    rows: int
    lost: list[LostItem]


def lost_items(bundle: Bundle, query: Any, rows: np.ndarray, k: int, nprobe: int, left_out: np.ndarray) -> Scanned:
    """Say why items are lost.

    Args:
        bundle: the index.
        query: ``(dim,)``.
        rows: rows of the lost items, int64.
        k: results per query.
        nprobe: inverted lists visited.
        left_out: rows that are no results, int64.
    """
    scorer, queries = ReferenceScorer(bundle), np.asarray(query)[None]
    nprobe = check_nprobe(nprobe, bundle.spec.nlist, default=bundle.spec.nlist)
    scores = scorer.scores(queries, nprobe)[0]
    own = scorer.scores_of(queries, rows[None])[0] if len(rows) else np.empty(0)
    signed = scores if scorer.larger_is_better else -scores
    visited = np.isfinite(signed)
    signed[left_out] = -np.inf
    places = min(k, len(signed)) - 1
    last = float(np.partition(-signed, places)[places])
    last = -last if scorer.larger_is_better else last
    lost = []
    for row, score in zip(rows.tolist(), own.tolist()):
        if not visited[row]:
            text = f"its inverted list is not among the {nprobe} visited of {bundle.spec.nlist}"
            lost.append(LostItem(row, "probing", None, score, text))
            continue
        rank = 1 + int((signed > signed[row]).sum())
        text = f"its code scores {score:.4g} and the last result {last:.4g}: rank {rank:,} by codes"
        lost.append(LostItem(row, "code", rank, score, text))
    return Scanned(nprobe if bundle.spec.nlist else 0, int(visited.sum()), lost)

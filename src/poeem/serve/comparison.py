"""Compare one search by the index with exact search, for the page."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.explain.lost_items import lost_items
from poeem.serve.exact import ExactSearch
from poeem.serve.found import Asked
from poeem.serve.models import Compared, ComparedItem
from poeem.serve.snapshot import snapshot
from poeem.serve.version import Version


def compare(version: Version, exact: ExactSearch, asked: Asked, names: list[str]) -> Compared:
    """Search by the index and exactly, and say why items are lost.

    Args:
        version: the version.
        exact: exact search over it.
        asked: a search of one query, without a condition.
        names: columns to return.
    Raises:
        ValueError: see `Version.search`.
    """
    times = [time.perf_counter()]
    found = version.search([asked])[0]
    times.append(time.perf_counter())
    query, left_out, nprobe = found.vectors[0], found.left_out[0], asked.nprobe or version.nprobe
    version.search([Asked(vectors=found.vectors, k=asked.k + len(left_out), nprobe=asked.nprobe)])
    times.append(time.perf_counter())
    with version.gate.searching():
        best, scores = exact.best(query, asked.k, left_out, version.overlay)
        times.append(time.perf_counter())
        now = snapshot(version)
        by_index = set(found.ids[0])
        lost_ids = [id for id in best if id not in by_index]
        rows = now.row_of(lost_ids) if lost_ids else np.empty(0, np.int64)
        hidden = now.row_of([id for id in left_out if id in version]) if left_out else np.empty(0, np.int64)
        scanned = lost_items(now, query, rows, asked.k, nprobe, hidden)
        every = list(dict.fromkeys([*best, *found.ids[0]]))
        places = dict(zip(every, now.row_of(every).tolist())) if every else {}
    columns = version.columns_of(every, names)
    shown = {id: {name: columns[name][place] for name in names} for place, id in enumerate(every)}
    why = dict(zip(lost_ids, scanned.lost))

    def item(id: Any, score: float) -> ComparedItem:
        lost = why.get(id)
        return ComparedItem(
            id=id,
            score=score,
            columns=shown[id],
            cause=None if lost is None else lost.cause,
            why=None if lost is None else lost.text,
            code=now.codes[places[id]].tolist(),
            inverted_list=None if now.lists is None else int(now.lists[places[id]]),
        )

    index_ms = 1000 * (times[2] - times[1])
    return Compared(
        exact=[item(id, score) for id, score in zip(best, scores)],
        index=[item(id, score) for id, score in zip(found.ids[0], found.scores[0])],
        against=exact.against,
        recall=len(set(best) & by_index) / max(len(best), 1),
        encode_ms=round(max(1000 * (times[1] - times[0]) - index_ms, 0.0), 3),
        index_ms=round(index_ms, 3),
        exact_ms=round(1000 * (times[3] - times[2]), 3),
        lists=scanned.lists,
        nlist=now.spec.nlist,
        scanned=scanned.rows,
        rows=len(now),
        left_out=len(left_out),
        fingerprint=version.fingerprint,
        revision=found.revision,
    )

"""Summarise the records of several seeds in one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from poeem.bench.measure import ENGINE_METRICS, LABEL_METRICS, NEIGHBOUR_DEPTHS
from poeem.bench.store import Record
from poeem.evaluation.intervals import FEW_QUERIES


@dataclass(frozen=True)
class Row:
    """A summary over seeds: one method at one size, ``nprobe`` and depth of re-ranking.

    Args:
        method, bytes_per_vector: the method and its size.
        nprobe: lists visited per query; None if all codes are scanned.
        rescore: candidates per query that are re-ranked by float vectors; 0: no re-ranking.
        seeds: number of seeds.
        means: means by name: metrics, ``build_seconds``, ``scanned`` and ``qps``, if measured.
        spreads: sample standard deviations over the seeds, by name; empty for a single seed.
        queries: number of queries of the metrics; None in records of earlier versions.
        intervals: 95 % intervals over the queries, by metric; means over the seeds of their ends.
    """

    method: str
    bytes_per_vector: int
    nprobe: int | None
    seeds: int
    means: dict[str, float]
    spreads: dict[str, float]
    rescore: int = 0
    queries: int | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def few(self) -> bool:
        """True if there are few queries, so that each figure must be shown with its interval."""
        return self.queries is not None and self.queries < FEW_QUERIES


def metrics_of(records: Sequence[Record]) -> list[str]:
    """Return the names of the metrics in the records, label metrics first."""
    return [name for name in (*LABEL_METRICS, *NEIGHBOUR_DEPTHS) if records and name in records[0]]


def summarise(records: Sequence[Record]) -> list[Row]:
    """Return a row per method and setting: ``float`` first, then by size, method (in order of the records) and setting.

    >>> record = {"method": "pq", "bytes_per_vector": 8, "nprobe": None, "seed": 0, "recall@10": 0.5}
    >>> (row,) = summarise([record, {**record, "seed": 1, "recall@10": 0.7}])
    >>> row.seeds, row.means, row.spreads
    (2, {'recall@10': 0.6}, {'recall@10': 0.1414...})
    """
    names = [*metrics_of(records), *ENGINE_METRICS, "build_seconds", "scanned", "qps"]
    groups: dict[tuple[str, int, int | None, int], list[Record]] = {}
    for record in records:
        # Records of earlier versions have ``rescore`` only in the settings.
        key = (record["method"], record["bytes_per_vector"], record["nprobe"], record.get("rescore", 0))
        groups.setdefault(key, []).append(record)
    order = list(dict.fromkeys(record["method"] for record in records))
    rows = []
    for method, size, nprobe, rescore in sorted(
        groups, key=lambda key: (key[0] != "float", key[1], order.index(key[0]), key[3], key[2] or 0)
    ):
        group = groups[method, size, nprobe, rescore]
        columns = {name: [record[name] for record in group if record.get(name) is not None] for name in names}
        rows.append(
            Row(
                method,
                size,
                nprobe,
                len(group),
                {name: math.fsum(values) / len(values) for name, values in columns.items() if values},
                {name: float(np.std(values, ddof=1)) for name, values in columns.items() if len(values) > 1},
                rescore,
                group[0].get("queries"),
                _intervals(group),
            )
        )
    return rows


def _intervals(group: Sequence[Record]) -> dict[str, tuple[float, float]]:
    of_seeds = [record["intervals"] for record in group if "intervals" in record]
    if not of_seeds:
        return {}
    ends = {name: np.mean([intervals[name] for intervals in of_seeds], axis=0) for name in of_seeds[0]}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}

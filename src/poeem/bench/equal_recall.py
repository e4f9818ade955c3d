"""Queries a second at equal recall: what is left of a method's operating points when all must find as much."""

from __future__ import annotations

import math
from collections.abc import Sequence

from poeem.bench.summary import Row

# Of the recall of exact float search.
SHARES = (0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
Point = tuple[float, float]  # recall, queries a second


def found_metric(rows: Sequence[Row]) -> str:
    """By what operating points are compared: relevant items where there are labels, else neighbours."""
    return "recall@100" if any("recall@100" in row.means for row in rows) else "neighbour_recall@10"


def operating_point(row: Row, metric: str) -> Point | None:
    """What the engine itself finds, where that was measured, and its speed; None without a speed."""
    if "qps" not in row.means:
        return None
    return row.means.get(f"engine_{metric}", row.means[metric]), row.means["qps"]


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in both, by falling recall and rising speed.

    >>> front([(0.5, 100.0), (0.8, 20.0), (0.6, 10.0), (0.8, 10.0)])
    [(0.8, 20.0), (0.5, 100.0)]
    """
    best: list[Point] = []
    for recall, qps in sorted(points, key=lambda point: (-point[0], -point[1])):
        if not best or qps > best[-1][1]:
            best.append((recall, qps))
    return best


def qps_at(points: Sequence[Point], recall: float) -> float | None:
    """Queries a second at a recall: on the front, between two points on a line in ``log qps``.

    None where no point finds as much; where all find more, the fastest.

    >>> round(qps_at([(0.8, 25.0), (0.6, 100.0)], 0.7)), qps_at([(0.8, 25.0)], 0.81), qps_at([(0.8, 25.0)], 0.1)
    (50, None, 25.0)
    """
    best = front(points)
    if not best or best[0][0] < recall:
        return None
    slower = max((number for number, point in enumerate(best) if point[0] >= recall))
    high = best[slower]
    if slower + 1 == len(best):
        return high[1]
    low = best[slower + 1]
    share = (high[0] - recall) / (high[0] - low[0])
    return math.exp((1 - share) * math.log(high[1]) + share * math.log(low[1]))


def at_equal_recall(
    rows: Sequence[Row], shares: Sequence[float] = SHARES
) -> tuple[list[float], list[tuple[str, int | None, list[float | None]]]]:
    """Queries a second of every method and size at shares of the recall of exact float search.

    Args:
        rows: with ``float`` among them.
        shares: of its recall.
    Returns:
        the recalls; and method, bytes per vector (None: the best of its sizes, where it has several) and queries a
        second at each recall, None where it does not find as much.
    """
    metric = found_metric(rows)
    (exact,) = [row.means[metric] for row in rows if row.method == "float"]
    levels = [share * exact for share in shares]
    groups: dict[tuple[int, str], list[Point]] = {}
    for row in rows:
        point = operating_point(row, metric)
        if point is not None:
            groups.setdefault((row.bytes_per_vector, row.method), []).append(point)
    found: list[tuple[str, int | None, list[float | None]]] = []
    by_method: dict[str, list[list[float | None]]] = {}
    for size, method in sorted(groups, key=lambda key: key[0]):
        speeds = [qps_at(groups[size, method], level) for level in levels]
        found.append((method, size, speeds))
        by_method.setdefault(method, []).append(speeds)
    # Of the sizes, not of all their points together: a line from a point of one to a point of another may lie lower.
    best = {
        method: [max((one for one in at if one is not None), default=None) for at in zip(*speeds)]
        for method, speeds in by_method.items()
        if len(speeds) > 1
    }
    return levels, [*found, *((method, None, speeds) for method, speeds in best.items())]

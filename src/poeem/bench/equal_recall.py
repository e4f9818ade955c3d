"""Compare the queries per second of methods at equal recall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poeem.bench.summary import Row

# Shares of the recall of exact float search.
SHARES = (0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
Point = tuple[float, float]  # recall, queries per second


def found_metric(rows: Sequence[Row]) -> str:
    """Return the metric to compare methods by: recall of relevant items if there are labels, else of neighbours."""
    return "recall@100" if any("recall@100" in row.means for row in rows) else "neighbour_recall@10"


def operating_point(row: Row, metric: str) -> Point | None:
    """Return recall (of the engine if it was measured) and queries per second of a row; None without a speed."""
    if "qps" not in row.means:
        return None
    return row.means.get(f"engine_{metric}", row.means[metric]), row.means["qps"]


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other point beats in both recall and speed, highest recall first.

    >>> front([(0.5, 100.0), (0.8, 20.0), (0.6, 10.0), (0.8, 10.0)])
    [(0.8, 20.0), (0.5, 100.0)]
    """
    best: list[Point] = []
    for recall, qps in sorted(points, key=lambda point: (-point[0], -point[1])):
        if not best or qps > best[-1][1]:
            best.append((recall, qps))
    return best


def qps_at(points: Sequence[Point], recall: float) -> float | None:
    """Return the queries per second at a recall, interpolated on the `front`, linear in ``log qps``.

    Returns None if no point reaches the recall. If all points have a higher recall, it is the speed of the fastest.

    >>> round(qps_at([(0.8, 25.0), (0.6, 100.0)], 0.7)), qps_at([(0.8, 25.0)], 0.81), round(qps_at([(0.8, 25.0)], 0.1))
    (50, None, 25)
    """
    best = front(points)
    if not best or best[0][0] < recall:
        return None
    recalls, speeds = zip(*reversed(best))
    return float(np.exp(np.interp(recall, recalls, np.log(speeds))))


def at_equal_recall(
    rows: Sequence[Row], shares: Sequence[float] = SHARES
) -> tuple[list[float], list[tuple[str, int | None, list[float | None]]]]:
    """Compute queries per second of each method and size at several recalls, fractions of that of exact float search.

    Args:
        rows: rows of the methods, one of them of the method ``float``.
        shares: the fractions, 0 to 1.
    Returns:
        the recalls; and for each method and size: name, bytes per vector, and queries per second at each recall, None
        if
        it does not reach the recall. A method with several sizes has one more entry with None for the bytes: the
        fastest of its sizes at each recall.
    """
    metric = found_metric(rows)
    (exact,) = [row.means[metric] for row in rows if row.method == "float"]
    recalls = [share * exact for share in shares]
    points: dict[tuple[int, str], list[Point]] = {}
    for row in rows:
        point = operating_point(row, metric)
        if point is not None:
            points.setdefault((row.bytes_per_vector, row.method), []).append(point)
    speeds: list[tuple[str, int | None, list[float | None]]] = []
    by_method: dict[str, list[list[float | None]]] = {}
    for size, method in sorted(points, key=lambda key: key[0]):
        own_speeds = [qps_at(points[size, method], recall) for recall in recalls]
        speeds.append((method, size, own_speeds))
        by_method.setdefault(method, []).append(own_speeds)
    # The best of the sizes at each recall. A line between points of two sizes could be lower than both.
    for method, sizes in by_method.items():
        if len(sizes) > 1:
            best = [max((qps for qps in column if qps is not None), default=None) for column in zip(*sizes)]
            speeds.append((method, None, best))
    return recalls, speeds

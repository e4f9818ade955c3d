"""Means over queries with their 95 % intervals, and the printed form of figures from few queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

# With fewer queries, the interval is printed beside every figure.
FEW_QUERIES = 200
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: np.ndarray) -> Interval:
    """Compute the mean over queries of a figure between 0 and 1, with its 95 % interval.

    With :data:`FEW_QUERIES` queries or more it is Student's t interval, ``mean ± t s / sqrt(n)``. With fewer it is
    Wilson's score interval, which stays between 0 and 1 and has a width even if all queries have the same value.
    Wilson's is made for values of 0 or 1; for values between them it is wider than needed, never narrower.

    Args:
        values: one figure per query, ``(nq,)``, 0 to 1.
    Returns:
        the mean and the ends of its interval.
    Raises:
        ValueError: there are no values, or one is outside 0 to 1.
    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    >>> [round(value, 3) for value in mean_interval(np.array([1.0]))]
    [1.0, 0.207, 1.0]
    """
    from scipy import stats

    values = np.asarray(values, dtype=np.float64)
    # Rounding may put a quotient of sums above 1.
    if values.ndim != 1 or len(values) == 0 or not np.all((values >= -1e-9) & (values <= 1 + 1e-9)):
        raise ValueError(f"values must be one figure from 0 to 1 for each query, got shape {values.shape}")
    n, mean = len(values), float(values.mean())
    if n >= FEW_QUERIES:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
        return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    middle = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(max(0.0, mean * (1 - mean)) / n + z**2 / (4 * n**2))
    # Where the mean is 0 or 1, rounding may put an end on the wrong side of it.
    return Interval(mean, min(mean, max(0.0, float(middle - half))), max(mean, min(1.0, float(middle + half))))


def with_intervals(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Compute means over queries by name, with their intervals.

    Args:
        values: one figure per query, ``(nq,)``, by name.
    Returns:
        the means by name; ``queries``, the smallest number of queries; and ``intervals``, ``[low, high]`` by name.

    >>> block = with_intervals({"mrr@10": np.array([0.5, 1.0])})
    >>> block["mrr@10"], block["queries"], [round(end, 3) for end in block["intervals"]["mrr@10"]]
    (0.75, 2, [0.198, 0.973])
    """
    intervals = {name: mean_interval(each) for name, each in values.items()}
    return {
        **{name: interval.mean for name, interval in intervals.items()},
        "queries": min(len(each) for each in values.values()),
        "intervals": {name: [interval.low, interval.high] for name, interval in intervals.items()},
    }


def format_figure(block: Mapping[str, Any], name: str) -> str:
    """Return a figure of a :func:`with_intervals` block as text with four digits, and with its interval if there are
    few queries.

    >>> format_figure(with_intervals({"mrr@10": np.array([0.5, 1.0])}), "mrr@10")
    '0.7500 (0.20-0.97)'
    >>> format_figure(with_intervals({"mrr@10": np.full(200, 0.5)}), "mrr@10")
    '0.5000'
    """
    if block.get("queries", FEW_QUERIES) >= FEW_QUERIES:
        return f"{block[name]:.4f}"
    low, high = block["intervals"][name]
    return f"{block[name]:.4f} ({low:.2f}-{high:.2f})"


def few_queries_note(blocks: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the note that a table needs if its figures come from few queries; None if no block has few.

    >>> few_queries_note([{"queries": 12}, {"queries": 300}])
    'Only 12 test queries: each figure stands with its 95 % interval. Do not trust a difference within the intervals.'
    """
    count = min((block.get("queries", FEW_QUERIES) for block in blocks), default=FEW_QUERIES)
    if count >= FEW_QUERIES:
        return None
    queries = "1 test query" if count == 1 else f"{count} test queries"
    return f"Only {queries}: each figure stands with its 95 % interval. Do not trust a difference within the intervals."

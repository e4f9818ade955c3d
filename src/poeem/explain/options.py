"""Options of an explanation: metric, number of neighbours, sample and log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poeem.metric import check_metric
from poeem.training.seeds import check_seed

# Latencies depend on the size of the catalogue, so targets use all items if memory allows.
TARGET_MAX_ITEMS = 1_000_000


def _no_log(line: str) -> None:
    """Log nothing."""


@dataclass(frozen=True)
class SampleOptions:
    """Options of an explanation.

    Args:
        metric: metric of exact search; None: the index's, unless another metric finds clearly more labelled items.
        k: neighbours per query, 1 to 100.
        max_items, max_queries: largest sample of items and of queries.
        seed: seed of all samples and fits.
        log: called with one line before each slow step.
    Raises:
        ValueError: a value is out of range.
    """

    metric: str | None = None
    k: int = 10
    max_items: int = 100_000
    max_queries: int = 1_000
    seed: int = 0
    log: Callable[[str], None] = _no_log

    def __post_init__(self) -> None:
        if self.metric is not None:
            check_metric(self.metric)
        if isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= 100:
            raise ValueError(f"k (={self.k!r}), the number of neighbours per query, must be an integer from 1 to 100")
        for name, least in (("max_items", 1000), ("max_queries", 50)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} (={value}) must be at least {least}: smaller samples give unreliable figures")
        check_seed(self.seed)

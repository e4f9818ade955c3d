"""Metrics of a server, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from poeem.serve.version import Version

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_QUERIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """Metrics of one server.

    Args:
        version: function that returns the version in service.
        waiting: function that returns the number of queries that wait.
    """

    def __init__(self, version: Callable[[], Version], waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._version, self._waiting = version, waiting
        self.seconds = Histogram(
            "poeem_request_seconds", "Time from the first byte of a request to the last of its answer.",
            ("path", "status"), buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self.call_queries = Histogram(
            "poeem_call_queries", "Queries of one call of the engine.", buckets=_QUERIES, registry=self._registry
        )
        self.changes = Counter(
            "poeem_changed_items", "Items that were added, replaced and deleted.", ("kind",), registry=self._registry
        )
        self.swaps = Counter("poeem_swaps", "Swaps of the version in service.", registry=self._registry)
        self.probes = Counter("poeem_recall_probes", "Answers compared with exact search.", registry=self._registry)
        self.recall = Gauge(
            "poeem_recall_at_10", "Share of the exact ten best items among the ten first: moving mean over the probes.",
            ("against",), registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Now(self))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Now:
    """Values that are read when the metrics are."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self):
        version = self._metrics._version()
        yield GaugeMetricFamily("poeem_queue_queries", "Queries that wait.", value=self._metrics._waiting())
        yield GaugeMetricFamily("poeem_rows", "Items in the index.", value=len(version))
        yield GaugeMetricFamily("poeem_revision", "Version of the items.", value=version.revision)
        info = GaugeMetricFamily("poeem_index", "The index in service.", labels=("fingerprint", "spec", "metric"))
        bundle = version.bundle
        info.add_metric((bundle.fingerprint, str(bundle.spec), bundle.metric), 1)
        yield info

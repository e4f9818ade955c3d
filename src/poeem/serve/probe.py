"""Probe: the recall of the answers against exact search, measured on a few of them while they are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from poeem.serve.exact import ExactSearch
from poeem.serve.found import Found
from poeem.serve.metrics import Metrics
from poeem.serve.version import Version

TOP = 10
# Weight of a probe in the moving mean.
_WEIGHT = 0.05


class Probe:
    """Compares one answer every so many seconds with exact search, in a thread of its own.

    Args:
        seconds: time between two probes; 0: none.
        vectors: vectors of the items of ``first``, see `ExactSearch`; None: those of the run.
        first: the version in service at first.
        metrics: gets the recall.
        log: called with an event and facts about it.
    """

    def __init__(
        self, seconds: float, vectors: Any, first: Version, metrics: Metrics, log: Callable[..., object]
    ) -> None:
        self._seconds, self._vectors, self._metrics, self._log = seconds, vectors, metrics, log
        self._first = _items(first)
        self._next = time.monotonic()
        self._one = threading.Lock()
        self._exact: tuple[Version, ExactSearch] | None = None
        self._recalls: dict[str, float] = {}

    @property
    def due(self) -> bool:
        """Whether an answer should be compared now."""
        return bool(self._seconds) and time.monotonic() >= self._next and not self._one.locked()

    def exact(self, version: Version) -> ExactSearch:
        """Return exact search over a version, kept until another version is asked for."""
        with self._one:
            return self._of(version)

    def compare(self, version: Version, found: Found) -> None:
        """Compare the answer of the first query of a search with exact search."""
        if not self._one.acquire(False):
            return
        try:
            exact = self._of(version)
            with version.gate.searching():
                if version.revision != found.revision:
                    return
                best, _ = exact.best(found.vectors[0], TOP, found.left_out[0], version.overlay)
            recall = len(set(best) & set(found.ids[0][:TOP])) / max(len(best), 1)
            before = self._recalls.get(exact.against, recall)
            self._recalls[exact.against] = before + _WEIGHT * (recall - before)
            self._metrics.recall.labels(exact.against).set(self._recalls[exact.against])
            self._metrics.probes.inc()
        except Exception as error:
            self._log("probe failed", reason=f"{type(error).__name__}: {error}")
        finally:
            self._next = time.monotonic() + self._seconds
            self._one.release()

    def _of(self, version: Version) -> ExactSearch:
        if self._exact is None or self._exact[0] is not version:
            self._exact = None
            same = _items(version) == self._first
            self._exact = version, ExactSearch(version, self._vectors if same else None)
        return self._exact[1]


def _items(version: Version) -> str:
    return version.bundle.files["items.parquet"].sha256

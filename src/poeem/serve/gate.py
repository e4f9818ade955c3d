"""Gate: many searches of an index at a time, or one change of it. faiss itself has no lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A lock that any number of searches may hold, or one change. A waiting change lets no new search in.

    >>> gate = Gate()
    >>> with gate.searching(), gate.searching():
    ...     pass
    >>> with gate.changing():
    ...     pass
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._searches = self._changes = 0
        self._changing = False

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Hold the lock for a search; a context manager."""
        with self._free:
            self._free.wait_for(lambda: not self._changes)
            self._searches += 1
        try:
            yield
        finally:
            with self._free:
                self._searches -= 1
                self._free.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for a change; a context manager."""
        with self._free:
            self._changes += 1
            self._free.wait_for(lambda: not self._searches and not self._changing)
            self._changing = True
        try:
            yield
        finally:
            with self._free:
                self._changes -= 1
                self._changing = False
                self._free.notify_all()

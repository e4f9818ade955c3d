"""Service: all that the routes of one server share."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from poeem.serve.batching import Batching
from poeem.serve.changing import Changing
from poeem.serve.found import Asked, Found
from poeem.serve.logs import log
from poeem.serve.metrics import Metrics
from poeem.serve.options import LimitOptions, ServeOptions
from poeem.serve.probe import TOP, Probe
from poeem.serve.refusal import Refusal
from poeem.serve.version import Version

R = TypeVar("R")
# Seconds between two looks at what should be closed.
_TICK = 5.0


class Service:
    """The version in service, with the threads that search and change it.

    Args:
        version: the version in service at first.
        options: options of the command.
        limits: limits of requests.
    """

    def __init__(self, version: Version, options: ServeOptions, limits: LimitOptions) -> None:
        self.limits = limits
        self._key = options.api_key
        self.changing = Changing(version, options.engine, options.nprobe, log)
        self.metrics = Metrics(lambda: self.version, lambda: self.batching.waiting)
        self.probe = Probe(limits.probe_seconds, options.vectors, version, self.metrics, log)
        self.batching = Batching(
            options.workers,
            limits.queue,
            join=limits.batching,
            seconds=limits.max_seconds,
            observe=self.metrics.call_queries.observe,
        )
        # Changes wait for each other anyway; probes and pages have threads of their own.
        self._writer = ThreadPoolExecutor(1, "change")
        self._others = ThreadPoolExecutor(1, "probe")

    @property
    def version(self) -> Version:
        """The version in service."""
        return self.changing.version

    async def search(self, version: Version, asked: Asked) -> Found:
        """Search a version. Errors as for `Batching.search`."""
        found = await self.batching.search(version, asked)
        if self.probe.due and asked.k >= TOP and asked.where is None:
            self._others.submit(self.probe.compare, version, found)
        return found

    async def change(self, function: Callable[[], R]) -> R:
        """Call a function in the thread of changes."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, function)

    async def aside(self, function: Callable[[], R]) -> R:
        """Call a function in the thread of probes and pages."""
        return await asyncio.get_running_loop().run_in_executor(self._others, function)

    def check_key(self, key: str | None) -> None:
        """Refuse a request without the server's key, if it has one.

        Raises:
            Refusal: the key is missing or wrong.
        """
        if self._key is not None and not (key is not None and hmac.compare_digest(key.encode(), self._key.encode())):
            raise Refusal(401, "the key in the header X-API-Key is missing or wrong", "X-API-Key")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close the bundle when it is idle, and everything at the end."""
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Answer what waits, finish the change at work, and release the bundle."""
        self.batching.close()
        self._writer.shutdown()
        self._others.shutdown(cancel_futures=True)
        self.changing.close()
        log("stopped")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._writer.submit(self.changing.close_if_idle)

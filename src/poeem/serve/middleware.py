"""ASGI middleware: the size of a body and the time to send it, measured times, and lines of the access log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import HTTPException

from poeem.serve.logs import log
from poeem.serve.metrics import Metrics
from poeem.serve.options import LimitOptions

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


class Bounded:
    """Bounds the bodies of requests, and measures how long they take.

    Args:
        app: the application.
        limits: limits of a request.
        metrics: gets the time of each request.
    """

    def __init__(self, app: App, limits: LimitOptions, metrics: Metrics) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics

    async def __call__(self, scope: Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Run a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 499  # the client went away

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, self._receiving(receive), sending)
        finally:
            seconds = time.perf_counter() - started
            # The path of the route, not of the request: anybody may invent paths.
            path = getattr(scope.get("route"), "path_format", "other")
            self._metrics.seconds.labels(path, str(status)).observe(seconds)
            if self._limits.access_log:
                log("request", method=scope["method"], path=scope["path"], status=status, ms=round(1000 * seconds, 2))

    def _receiving(self, receive: Callable[..., Any]) -> Callable[..., Any]:
        """``receive`` that raises an error if the body is too large or too slow."""
        size, until, complete = 0, None, False
        loop = asyncio.get_running_loop()

        async def bounded() -> Message:
            nonlocal size, until, complete
            if complete:
                return await receive()
            until = loop.time() + self._limits.max_seconds if until is None else until
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                text = f"the body was not sent within {self._limits.max_seconds:g} seconds"
                raise HTTPException(408, {"message": text, "field": "body"}) from None
            size += len(message.get("body", b""))
            if size > self._limits.max_bytes:
                text = f"body must have at most {self._limits.max_bytes:,} bytes; send several requests"
                raise HTTPException(413, {"message": text, "field": "body"})
            complete = not message.get("more_body", False)
            return message

        return bounded

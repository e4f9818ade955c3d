"""An open-loop load: requests are sent when they are due, whatever the server does, and their latency counts from then.

A client that waits for an answer before it sends the next request hides the time in which the server does not answer
("coordinated omission").
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Load:
    """What became of the requests.

    Args:
        seconds: latency of each answer, from the time at which it was due.
        statuses: answers by status; 0: none came.
        wrong: answers that the check refused, as text.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """A quantile of the latency, milliseconds."""
        return round(1000 * float(np.quantile(self.seconds, share)), 2) if self.seconds else float("inf")

    @property
    def failed(self) -> int:
        """Requests without an answer of status 200."""
        return sum(count for status, count in self.statuses.items() if status != 200)


class Connection:
    """One kept connection to a server on the loopback interface, with no more of HTTP/1.1 than that server needs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
        """Send a request, and return the answer's status and body; status 0 if the connection broke."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer[9:12])
            length = next(
                int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")
            )
            return status, await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def open_loop(
    port: int,
    bodies: Sequence[bytes],
    *,
    rate: float,
    seconds: float,
    check: Callable[[dict[str, Any]], str | None] | None = None,
    seed: int = 0,
) -> Load:
    """Send searches at random times (Poisson).

    Args:
        port: of the server.
        bodies: JSON bodies, sent in turn.
        rate: requests per second.
        seconds: length of the load.
        check: returns what is wrong with an answer, or None.
        seed: of the times.
    """
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    load, idle, started = Load(), [], time.perf_counter() + 0.05
    tasks: set[asyncio.Task[None]] = set()

    async def send(number: int, at: float) -> None:
        connection = idle.pop() if idle else Connection(port)
        status, body = await connection.request("POST", "/search", bodies[number % len(bodies)])
        load.seconds.append(time.perf_counter() - at)
        load.statuses[status] += 1
        idle.append(connection)
        if check is not None and status == 200 and (wrong := check(json.loads(body))):
            load.wrong.append(wrong)

    for number, offset in enumerate(due.tolist()):
        at = started + offset
        while (wait := at - time.perf_counter()) > 0:
            # asyncio's timers are exact to a millisecond only.
            await asyncio.sleep(wait if wait > 0.002 else 0)
        task = asyncio.create_task(send(number, at))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return load

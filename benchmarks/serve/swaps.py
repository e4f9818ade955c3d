"""A load while versions are swapped: every answer must be of one version, and of the one that it names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from benchmarks.serve.load import Connection, Load, open_loop


async def load_while_swapping(
    port: int, names: Sequence[str], bodies: Sequence[bytes], *, swaps: int, rate: float, limit: int
) -> tuple[Load, int]:
    """Search while two versions take turns. Ids are ``i<number>``, of the first version below ``limit``.

    Args:
        port: of the server, which serves the first version, as its revision 1.
        names: folders of the two versions.
        bodies: searches.
        swaps: number of swaps.
        rate: searches per second.
        limit: first number of the second version.
    Returns:
        the load, and the number of swaps that succeeded.
    """

    def check(answer: dict[str, Any]) -> str | None:
        found = {int(id[1:]) >= limit for ids in answer["ids"] for id in ids}
        expected = {answer["revision"] % 2 == 0}
        return None if found == expected else f"revision {answer['revision']} has ids {answer['ids']}"

    done = asyncio.Event()
    loads: list[Load] = []

    async def search() -> None:
        while not done.is_set():
            loads.append(await open_loop(port, bodies, rate=rate, seconds=1.0, check=check, seed=len(loads)))

    async def swap() -> int:
        connection, succeeded = Connection(port), 0
        for number in range(swaps):
            body = json.dumps({"path": names[(number + 1) % 2]}).encode()
            status, _ = await connection.request("POST", "/swap", body)
            succeeded += status == 200
        done.set()
        connection.close()
        return succeeded

    _, succeeded = await asyncio.gather(search(), swap())
    total = Load()
    for load in loads:
        total.seconds += load.seconds
        total.statuses += load.statuses
        total.wrong += load.wrong
    return total, succeeded

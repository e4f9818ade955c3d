"""SIGKILL a server while items are written, and look for what it had acknowledged."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serve.load import Connection
from benchmarks.serve.process import ServerProcess
from poeem.bundle import open_bundle
from poeem.bundle.encoder import Encoder


def kill_while_writing(
    folder: Path, dim: int, *, log: Path, seed: int, most_seconds: float, starts: type[ServerProcess] = ServerProcess
) -> dict[str, Any]:
    """Start a server, write and delete items one after the other, kill it at a random moment, and open its bundle.

    Args:
        folder: the served bundle, of string ids.
        dim: width of its vectors.
        log: file for the server's log.
        seed: of the items and of the moment.
        most_seconds: latest moment, counted from the first change.
        starts: how a server is started.
    Returns:
        numbers of changes that were acknowledged; of items that are lost, doubled, or there though nobody wrote them.
    """
    before = open_bundle(folder)
    expected = dict(zip(before.ids.tolist(), map(tuple, before.codes.tolist())))
    encoder = Encoder(before)
    with starts(folder, "--probe-seconds", "0", log=log) as server:
        timer = threading.Timer(random.Random(seed).uniform(0, most_seconds), server.kill)
        written = _write_until_killed(server.port, dim, seed, expected, encoder, timer.start)
        acknowledged, pending = asyncio.run(written)
    after = open_bundle(folder)
    held = Counter(after.ids.tolist())
    codes = dict(zip(after.ids.tolist(), map(tuple, after.codes.tolist())))
    # The change at work when the server died may have been made or not.
    possible = {id: {expected.get(id), pending.get(id, expected.get(id))} for id in {*expected, *pending}}
    lost = [id for id, options in possible.items() if codes.get(id) not in options]
    return {
        "acknowledged": acknowledged,
        "lost": len(lost),
        "doubled": sum(count > 1 for count in held.values()),
        "unknown": len(held.keys() - possible.keys()),
        "rows": len(after),
    }


async def _write_until_killed(
    port: int, dim: int, seed: int, expected: dict[Any, Any], encoder: Encoder, begun: Callable[[], object]
) -> tuple[int, dict[Any, Any]]:
    """Change items until there is no answer; ``expected`` follows, ``begun`` is called after the first change.

    Returns:
        number of changes, and the last one.
    """
    rng, connection, acknowledged = np.random.default_rng(seed), Connection(port), 0
    while True:
        if rng.random() < 0.2:
            id = str(rng.choice(list(expected)))
            change: dict[Any, Any] = {id: None}
            sent = connection.request("DELETE", f"/items/{id}", b"")
        else:
            ids = list(dict.fromkeys([f"new-{rng.integers(10**9)}", str(rng.choice(list(expected)))]))
            vectors = rng.standard_normal((len(ids), dim)).astype(np.float32)
            change = dict(zip(ids, map(tuple, encoder.encode(vectors)[0].tolist())))
            sent = connection.request("PUT", "/items", json.dumps({"ids": ids, "vectors": vectors.tolist()}).encode())
        status, body = await sent
        if status == 0:
            return acknowledged, change
        if status != 200:
            raise RuntimeError(f"status {status}: {body.decode()}")
        acknowledged += 1
        if acknowledged == 1:
            begun()
        for id, code in change.items():
            if code is None:
                del expected[id]
            else:
                expected[id] = code

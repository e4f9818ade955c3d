"""Batches by the server against the engine in this process; and the highest load of single searches."""

from __future__ import annotations

import asyncio
import io
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from benchmarks.serve.load import Connection, open_loop
from benchmarks.serve.process import ServerProcess
from poeem.engines.faiss.searcher import FaissSearcher
from poeem.serve.arrays import ARROW, NPY

# 99 of 100 answers come within these milliseconds. On a machine with other jobs, their time slices exceed the first.
BOUNDS_MS = (20, 200)


def batches(server: ServerProcess, engine: FaissSearcher, *, size: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Queries per second in batches: this process, JSON, and ``.npy`` with Arrow answers, in turn.

    Two requests are on their way at a time, so that the server need not wait for this process.
    """
    queries = np.random.default_rng(1).standard_normal((size, engine.dim)).astype(np.float32)
    stream = io.BytesIO()
    np.save(stream, queries)
    faiss.omp_set_num_threads(1)
    bodies = {
        "json": ("/search", json.dumps({"vectors": queries.tolist()}).encode(), "application/json"),
        "binary": ("/search", stream.getvalue(), f"{NPY}\r\nAccept: {ARROW}"),
    }
    ways: dict[str, Callable[[], int]] = {"process": lambda: _in_process(engine, queries, seconds)}
    for name, (path, body, kind) in bodies.items():
        ways[name] = lambda path=path, body=body, kind=kind: asyncio.run(
            _pipeline(server.port, path, body, kind, seconds)
        )
    counts: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            clock = time.process_time if name == "process" else server.processor_seconds
            before = clock()
            calls = way()
            counts[name].append(calls * size / seconds)
            processor[name].append(1000 * (clock() - before) / calls)
    ratios = {name: [a / b for a, b in zip(counts[name], counts["process"])] for name in bodies}
    return {
        **{f"{name}_qps": round(statistics.median(values)) for name, values in counts.items()},
        **{f"{name}_ratio": round(statistics.median(values), 3) for name, values in ratios.items()},
        **{f"{name}_processor_ms": round(statistics.median(values), 2) for name, values in processor.items()},
        **{f"{name}_ratios": [round(value, 3) for value in values] for name, values in ratios.items()},
    }


def _in_process(engine: FaissSearcher, queries: np.ndarray, seconds: float) -> int:
    calls, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        engine.search(queries, 10)
        calls += 1
    return calls


async def _pipeline(port: int, path: str, body: bytes, kind: str, seconds: float) -> int:
    until = time.perf_counter() + seconds

    async def one() -> int:
        connection, calls = Connection(port), 0
        while time.perf_counter() < until:
            status, _ = await connection.request("POST", path, body, kind)
            assert status == 200, status
            calls += 1
        connection.close()
        return calls

    return sum(await asyncio.gather(one(), one()))


async def saturated(server: ServerProcess, bodies: list[bytes], *, connections: int, seconds: float) -> dict[str, Any]:
    """Searches per second, and processor time of each, while so many clients send one search after the other."""
    before, until = server.processor_seconds(), time.perf_counter() + seconds

    async def one(number: int) -> int:
        connection, calls = Connection(server.port), 0
        while time.perf_counter() < until:
            status, _ = await connection.request("POST", "/search", bodies[(number + calls) % len(bodies)])
            assert status == 200, status
            calls += 1
        connection.close()
        return calls

    calls = sum(await asyncio.gather(*map(one, range(connections))))
    processor = 1000 * (server.processor_seconds() - before) / calls
    return {"qps": round(calls / seconds), "processor_ms": round(processor, 3)}


def highest_load(server: ServerProcess, bodies: list[bytes], *, seconds: float, first: float) -> dict[str, Any]:
    """The highest rates with a p99 within each of `BOUNDS_MS`: 1.4 times the last one until two in a row are above."""
    rate, above, tried = first, 0, {}
    best = dict.fromkeys(BOUNDS_MS, 0.0)
    asyncio.run(open_loop(server.port, bodies, rate=first, seconds=1.0))
    while above < 2 and rate < 20_000:
        before = server.processor_seconds()
        load = asyncio.run(open_loop(server.port, bodies, rate=rate, seconds=seconds))
        processor = 1000 * (server.processor_seconds() - before) / len(load.seconds)
        p99 = load.quantile(0.99) if not load.failed else float("inf")
        best |= {bound: rate for bound in BOUNDS_MS if p99 <= bound}
        above = above + 1 if p99 > max(BOUNDS_MS) else 0
        facts = {"p50_ms": load.quantile(0.5), "p99_ms": load.quantile(0.99), "failed": load.failed}
        tried[str(round(rate))] = {**facts, "processor_ms": round(processor, 3)}
        rate *= 1.4
    return {**{f"rate_{bound}_ms": round(found) for bound, found in best.items()}, "tried": tried}

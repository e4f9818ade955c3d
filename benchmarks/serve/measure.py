"""All measurements of ``poeem serve``, on the loopback interface. What is in the result file is not measured again.

python -m benchmarks.serve.measure --json benchmarks/results/serve-0.json
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.serve.forked import ForkedServer
from benchmarks.serve.kills import kill_while_writing
from benchmarks.serve.load import Connection
from benchmarks.serve.made_bundle import write_made_bundle
from benchmarks.serve.process import ServerProcess
from benchmarks.serve.swaps import load_while_swapping
from benchmarks.serve.throughput import batches, highest_load, saturated
from poeem.engines.faiss.searcher import open_engine

DIM, SPEC, SMALL_SPEC, SMALL_ROWS = 64, "IVF1024,PQ8", "IVF16,PQ8x4", 10_000
PARTS = ("start", "batches", "load", "users", "swaps", "kills", "memory", "made_up")


def single_searches(dim: int, count: int = 200) -> list[bytes]:
    """Bodies of searches of one vector each."""
    queries = np.random.default_rng(2).standard_normal((count, dim)).round(4).tolist()
    return [json.dumps({"vectors": [query]}).encode() for query in queries]


def start(folder: Path, scratch: Path, times: int) -> dict[str, Any]:
    """Seconds from the start of the process until it is ready."""
    seconds, processor = [], []
    for _ in range(times):
        with ServerProcess(folder, log=scratch / "log") as server:
            seconds.append(round(server.seconds, 2))
            processor.append(round(server.processor_seconds(), 2))
    facts = {"seconds": statistics.median(seconds), "all": seconds, "processor_seconds": statistics.median(processor)}
    return {**facts, "load_average": round(os.getloadavg()[0], 1)}


def loads(record: Record, what: str, folder: Path, bodies: list[bytes], scratch: Path, seconds: float) -> None:
    """Single searches with queries joined into one call, and one by one."""
    for name, options in (("joined", ()), ("one by one", ("--no-batching",))):
        if f"{what}load {name}" not in record.rows:
            with ForkedServer(folder, "--probe-seconds", "0", *options, log=scratch / "log") as server:
                found = highest_load(server, bodies, seconds=seconds, first=20)
            record.add(f"{what}load {name}", {**found, "load_average": round(os.getloadavg()[0], 1)})
    # In turn: other jobs of the machine meet both.
    rounds: dict[str, list[dict[str, Any]]] = {"joined": [], "one by one": []}
    with (
        ForkedServer(folder, "--probe-seconds", "0", log=scratch / "log") as joined,
        ForkedServer(folder, "--probe-seconds", "0", "--no-batching", log=scratch / "log2") as single,
    ):
        for number in range(6):
            for name, server in (("joined", joined), ("one by one", single)):
                found = asyncio.run(saturated(server, bodies, connections=32, seconds=seconds / 2))
                if number:
                    rounds[name].append(found)
    for name, found in rounds.items():
        medians = {key: statistics.median(one[key] for one in found) for key in found[0]}
        record.add(f"{what}saturated {name}", {**medians, "load_average": round(os.getloadavg()[0], 1)})


def memory(server: ServerProcess, bodies: list[bytes], requests: int) -> dict[str, Any]:
    """Resident memory after a tenth of the requests, and after as many more as asked for."""

    async def send(count: int) -> None:
        async def some() -> None:
            connection = Connection(server.port)
            for number in range(count // 8):
                status, _ = await connection.request("POST", "/search", bodies[number % len(bodies)])
                assert status == 200, status
            connection.close()

        await asyncio.gather(*(some() for _ in range(8)))

    asyncio.run(send(requests // 10))
    before = server.resident()
    asyncio.run(send(requests))
    after = server.resident()
    return {"requests": requests, "before": before, "after": after, "growth": round(after / before - 1, 4)}


def swaps(folders: list[Path], scratch: Path, count: int) -> dict[str, Any]:
    """Failed and mixed answers, and memory, while versions are swapped."""
    names = [folder.name for folder in folders]
    bodies = single_searches(DIM)
    with ForkedServer(folders[0], log=scratch / "log") as server:
        warm = count // 10 // 2 * 2
        asyncio.run(load_while_swapping(server.port, names, bodies, swaps=warm, rate=100, limit=SMALL_ROWS))
        before = server.resident()
        load, done = asyncio.run(
            load_while_swapping(server.port, names, bodies, swaps=count, rate=100, limit=SMALL_ROWS)
        )
        growth = round(server.resident() / before - 1, 4)
    return {
        "swaps": done,
        "answers": sum(load.statuses.values()),
        "failed": load.failed,
        "mixed": len(load.wrong),
        "p99_ms": load.quantile(0.99),
        "memory_growth": growth,
    }


def kills(folder: Path, scratch: Path, count: int, seed: int) -> dict[str, Any]:
    """What was acknowledged and is lost or doubled after SIGKILL."""
    found = [
        kill_while_writing(
            folder, DIM, log=scratch / "log", seed=1000 * seed + number, most_seconds=0.5, starts=ForkedServer
        )
        for number in range(count)
    ]
    total = {name: sum(one[name] for one in found) for name in ("acknowledged", "lost", "doubled", "unknown")}
    return {"kills": count, **total}


def made_up(folder: Path, scratch: Path, count: int, seed: int) -> dict[str, Any]:
    """Requests made of the OpenAPI document, to its four operations with a body or an id."""
    # Every forked server imports this module; schemathesis takes seconds.
    from benchmarks.serve.made_up import send_made_up_requests

    with ForkedServer(folder, log=scratch / "log") as server:
        counts = send_made_up_requests(server.url, cases=count // 4, seed=seed)
    return {"cases": sum(counts.values()), "answers": dict(sorted(counts.items()))}


def main() -> None:
    """Measure the parts that are asked for and are not in the file."""
    parser = script_parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"), help="of make demo, for the part users")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    args = parse(parser)
    sizes = picked(args, "rows", "requests", "swaps", "kills", "cases", "seconds")
    record = Record(args, {**sizes, "dim": DIM, "spec": SPEC, "small_spec": SMALL_SPEC, "small_rows": SMALL_ROWS})
    parts = args.parts.split(",")

    def row(part: str, name: str, measured: Callable[[], dict[str, Any]]) -> None:
        if part in parts and name not in record.rows:
            record.add(name, measured())

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        if {"start", "batches", "load"} & set(parts):
            large = write_made_bundle(scratch / "large", args.rows, spec=SPEC, dim=DIM)
            row("start", "start", lambda: start(large, scratch, 5))
            if "batches" in parts and "batches" not in record.rows:
                engine = open_engine(large)
                with ForkedServer(large, "--probe-seconds", "0", log=scratch / "log") as server:
                    row(
                        "batches",
                        "batches",
                        lambda: {
                            **batches(server, engine, size=64, rounds=5, seconds=args.seconds / 2),
                            "load_average": round(os.getloadavg()[0], 1),
                        },
                    )
                del engine
            if "load" in parts:
                loads(record, "", large, single_searches(DIM), scratch, args.seconds)
        if "users" in parts and args.run.is_dir():
            users = [json.dumps({"user": str(user)}).encode() for user in range(1, 200)]
            loads(record, "users ", args.run, users, scratch, args.seconds)
        small = [
            write_made_bundle(scratch / f"small{at}", SMALL_ROWS, spec=SMALL_SPEC, dim=DIM, first=first, strings=True)
            for at, first in enumerate((0, SMALL_ROWS))
        ]
        row("swaps", "swaps", lambda: swaps(small, scratch, args.swaps))
        if "memory" in parts and "memory" not in record.rows:
            with ForkedServer(small[0], log=scratch / "log") as server:
                record.add("memory", memory(server, single_searches(DIM), args.requests))
        # In steps, each of which is kept.
        for step in range(10):
            row("made_up", f"made_up {step}", lambda step=step: made_up(small[0], scratch, args.cases // 10, step))
        for step in range(10):
            row("kills", f"kills {step}", lambda step=step: kills(small[0], scratch, args.kills // 10, step))


if __name__ == "__main__":
    main()

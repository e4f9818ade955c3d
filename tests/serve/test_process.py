"""A real server on the loopback interface: load during swaps, SIGKILL, slow clients, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import threading
import time

import numpy as np
import pytest

import poeem
from benchmarks.serve.forked import ForkedServer
from benchmarks.serve.kills import kill_while_writing
from benchmarks.serve.load import Connection, open_loop
from benchmarks.serve.swaps import load_while_swapping
from poeem.bundle import BundleEditor
from tests.serve.shop import DIM, write_shop

BODIES = [
    json.dumps({"vectors": [query], "k": 5, "nprobe": 4}).encode()
    for query in np.random.default_rng(8).standard_normal((20, DIM)).tolist()
]


@pytest.mark.slow
def test_no_answer_fails_or_mixes_versions_while_versions_are_swapped(tmp_path):
    folders = [write_shop(tmp_path / name, first=first) for name, first in (("a", 0), ("b", 1000))]
    with ForkedServer(folders[0], log=tmp_path / "log") as server:
        load, swaps = asyncio.run(
            load_while_swapping(server.port, [folder.name for folder in folders], BODIES, swaps=6, rate=40, limit=1000)
        )
    assert swaps == 6
    assert load.statuses.keys() == {200}
    assert sum(load.statuses.values()) >= 40
    assert load.wrong == []


@pytest.mark.slow
def test_no_acknowledged_item_is_lost_or_doubled_by_a_kill(tmp_path):
    folder = write_shop(tmp_path / "shop")
    for seed in range(3):
        facts = kill_while_writing(folder, DIM, log=tmp_path / "log", seed=seed, most_seconds=0.3, starts=ForkedServer)
        assert (facts["lost"], facts["doubled"], facts["unknown"]) == (0, 0, 0)
        assert facts["acknowledged"] > 0


@pytest.mark.slow
def test_slow_and_vanishing_clients_leave_the_server_alone(tmp_path):
    folder = write_shop(tmp_path / "shop")
    with ForkedServer(folder, "--max-seconds", "0.5", "--max-bytes", "100000", log=tmp_path / "log") as server:
        address = ("127.0.0.1", server.port)
        head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        parts = [
            b"",
            b"POST /sea",
            head,
            head + b"500\r\n\r\n",
            head + b"500\r\n\r\n{",
            head + b"-5\r\n\r\n",
            b"\0" * 99,
        ]
        rng = random.Random(0)
        for _ in range(100):  # clients that go away
            with socket.create_connection(address) as client:
                client.sendall(rng.choice(parts))
        waiting = [socket.create_connection(address) for _ in range(100)]
        for client in waiting:
            client.sendall(head + b"500\r\n\r\n{")
        load = asyncio.run(open_loop(server.port, BODIES, rate=50, seconds=1.0))
        assert load.failed == 0
        assert load.quantile(0.5) < 2000  # they would wait for 50 s after one another
        for client in waiting:  # the body never came
            client.settimeout(5)
            answer = client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408"), answer
            assert b"was not sent within 0.5 seconds" in answer
            client.close()
        with socket.create_connection(address) as client:  # a body that is too large, before it has all come
            client.sendall(head + b"10000000\r\n\r\n")
            client.sendall(b" " * 200_000)
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
        assert not [line for line in server.lines() if line["level"] == "error"]


@pytest.mark.slow
def test_sigterm_answers_what_waits_and_releases_the_bundle(tmp_path):
    folder = write_shop(tmp_path / "shop")
    with ForkedServer(folder, log=tmp_path / "log") as server:

        async def last_requests() -> list[tuple[int, bytes]]:
            connections = [Connection(server.port) for _ in range(20)]
            await asyncio.gather(*(one.request("POST", "/search", BODIES[0]) for one in connections))
            body = json.dumps({"ids": ["last"], "vectors": [[1.0] * DIM]}).encode()
            searches = [one.request("POST", "/search", BODIES[0]) for one in connections[1:]]
            tasks = [asyncio.ensure_future(one) for one in (connections[0].request("PUT", "/items", body), *searches)]
            await asyncio.sleep(0)  # they are sent
            threading.Timer(0.02, os.kill, (server.pid, signal.SIGTERM)).start()
            answers = await asyncio.gather(*tasks)
            for one in connections:
                one.close()
            await asyncio.sleep(0)
            return answers

        answers = asyncio.run(last_requests())
        assert [status for status, _ in answers] == [200] * 20
        until = time.monotonic() + 20
        while not any(line["event"] == "stopped" for line in server.lines()):
            assert time.monotonic() < until
            time.sleep(0.02)
    assert "last" in poeem.open(folder).ids.tolist()
    BundleEditor(folder).close()

"""Refusals: limits, malformed bodies, keys, hosts and back-pressure. Each is one sentence with the field."""

from __future__ import annotations

import io
import struct
import time

import numpy as np
import pyarrow as pa
import pytest

from poeem.serve.arrays import ARROW, NPY, write_arrow
from poeem.serve.options import LimitOptions, ServeOptions
from tests.serve.shop import DIM, serving, write_shop

GOOD = [[1.0] * DIM]


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = write_shop(tmp_path_factory.mktemp("limits") / "shop")
    with serving(folder, limits={"max_k": 50, "max_batch": 4, "max_bytes": 20_000}) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"vectors": GOOD, "item": "i1"}, "item"),
        ({"user": "u1"}, "user"),
        ({"vectors": GOOD, "k": 51}, "k"),
        ({"vectors": GOOD, "k": 0}, "k"),
        ({"vectors": GOOD, "k": "5"}, "k"),
        ({"vectors": GOOD, "k": 10**30}, "k"),
        ({"vectors": GOOD, "nprobe": 0}, "nprobe"),
        ({"vectors": GOOD * 5}, "vectors"),
        ({"vectors": [[1.0] * (DIM - 1)]}, "vectors"),
        ({"vectors": [[1.0], [1.0, 2.0]]}, "vectors"),
        ({"vectors": [[]]}, "vectors"),
        ({"vectors": [["a"] * DIM]}, "vectors"),
        ({"vectors": [[1e300] * DIM]}, "vectors"),
        ({"item": "nope"}, "item"),
        ({"item": 2**70}, "item"),
        ({"item": True}, "item"),
        ({"vectors": GOOD, "where": "nothing = 3"}, "where"),
        ({"vectors": GOOD, "where": "price = 'x'"}, "where"),
        ({"vectors": GOOD, "where": "price = (SELECT 1)"}, "where"),
        ({"vectors": GOOD, "columns": ["nothing"]}, "columns"),
        ({"vectors": GOOD, "extra": 1}, "extra"),
        ([1], None),
    ],
)
def test_a_wrong_search_is_one_sentence_with_the_field(client, body, field):
    answer = client.post("/search", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field, answer.text
    assert "\n" not in answer.json()["message"]
    assert "Traceback" not in answer.text


def header(text: str) -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


BATCH = pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(DIM)), DIM)})


def compressed() -> bytes:
    sink, table = pa.BufferOutputStream(), pa.table({"vector": [[0.0] * DIM] * 1000})
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (NPY, b""),
        (NPY, b"\x93NUMPY"),
        (NPY, npy(np.ones((1, DIM)))[:-3]),
        (NPY, npy(np.ones((1, DIM), dtype=complex))),
        (NPY, npy(np.asfortranarray(np.ones((3, DIM))))),
        (NPY, header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 8)}")),
        (NPY, header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8)}")),
        (NPY, header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 8)}") + b"cos\nsystem\n"),
        (NPY, header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 8)}")),
        (NPY, npy(np.full((1, DIM), np.nan))),
        (NPY, npy(np.ones(DIM))),
        (ARROW, b""),
        (ARROW, b"junk" * 30),
        (ARROW, write_arrow(BATCH)[:-40]),
        (ARROW, write_arrow(pa.table({"other": [1.0]}))),
        (ARROW, write_arrow(pa.table({"vector": [1.0]}))),
        (ARROW, write_arrow(pa.table({"vector": [[1.0] * DIM, None]}))),
        (ARROW, write_arrow(pa.table({"vector": [[1.0] * DIM, [1.0]]}))),
        (ARROW, write_arrow(pa.table({"vector": pa.array([], pa.list_(pa.float32()))}))),
        (ARROW, compressed()),
    ],
)
def test_a_damaged_binary_body_is_refused(client, kind, body):
    answer = client.post("/search?k=3", content=body, headers={"content-type": kind})
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] in ("body", "vectors", "vector")


@pytest.mark.parametrize("kind", [NPY, ARROW])
def test_no_changed_byte_of_a_binary_body_is_a_fault(client, kind):
    body = npy(np.ones((2, DIM), "f4")) if kind == NPY else write_arrow(BATCH)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(body)
        for place in rng.integers(0, len(body), int(rng.integers(1, 4))):
            damaged[place] = rng.integers(256)
        answer = client.post("/search?k=3", content=bytes(damaged), headers={"content-type": kind})
        assert answer.status_code in (200, 422), answer.text


def test_other_media_types_sizes_paths_and_methods(client):
    assert client.post("/search", content=b"{}").status_code == 415
    assert client.post("/swap", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    answer = client.post("/search?k=x", content=npy(np.ones((1, DIM))), headers={"content-type": NPY})
    assert (answer.status_code, answer.json()["field"]) == (422, "k")
    large = client.post("/search", content=b" " * 20_001, headers={"content-type": "application/json"})
    assert (large.status_code, large.json()["field"]) == (413, "body")
    assert "20,000 bytes" in large.json()["message"]
    assert client.get("/nothing").status_code == 404
    assert client.get("/search").status_code == 405
    bad = client.post("/search", content=b'{"k": ', headers={"content-type": "application/json"})
    assert bad.status_code == 422


def test_a_loopback_server_answers_no_other_name(client):
    """A page of another site could otherwise reach it by a name that points here."""
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/healthz", headers={"host": "localhost:8000"}).status_code == 200


def test_a_key(tmp_path):
    with serving(write_shop(tmp_path / "shop"), api_key="secret") as client:
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": "ä".encode("latin-1")}):
            for method, path in (("POST", "/search"), ("PUT", "/items"), ("DELETE", "/items/i1"), ("POST", "/swap")):
                answer = client.request(method, path, headers=headers)
                assert (answer.status_code, answer.json()["field"]) == (401, "X-API-Key")
        answer = client.post("/search", json={"vectors": GOOD}, headers={"X-API-Key": "secret"})
        assert answer.status_code == 200
        assert client.get("/readyz").status_code == 200


def test_a_full_queue_refuses_with_a_time_to_try_again(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    folder = write_shop(tmp_path / "shop")
    with serving(folder, limits={"queue": 2}) as client, ThreadPoolExecutor(8) as threads:
        version = client.app.state.service.version
        with version.gate.changing():
            answers = [threads.submit(client.post, "/search", json={"vectors": GOOD}) for _ in range(8)]
            until = time.monotonic() + 20
            while sum(answer.done() for answer in answers) < 4 and time.monotonic() < until:
                time.sleep(0.01)
        statuses = sorted(answer.result().status_code for answer in answers)
        assert statuses[:2] == [200, 200]
        refused = [answer.result() for answer in answers if answer.result().status_code != 200]
        assert len(refused) >= 4
        assert all(answer.status_code == 429 and answer.headers["Retry-After"] == "1" for answer in refused)


def test_a_search_that_waits_too_long_is_refused(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    folder = write_shop(tmp_path / "shop")
    with serving(folder, limits={"max_seconds": 0.2}) as client, ThreadPoolExecutor(2) as threads:
        version = client.app.state.service.version
        with version.gate.changing():
            first = threads.submit(client.post, "/search", json={"vectors": GOOD})
            while not version.gate._free._waiters:
                time.sleep(0.001)
            late = threads.submit(client.post, "/search", json={"vectors": GOOD})
            time.sleep(0.3)
        assert first.result().status_code == 200
        assert late.result().status_code == 429
        assert "not answered in time" in late.result().json()["message"]


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (ServeOptions, {"port": 70000}),
        (ServeOptions, {"workers": 0}),
        (ServeOptions, {"engine": "other"}),
        (LimitOptions, {"max_k": 0}),
        (LimitOptions, {"max_seconds": 0.0}),
        (LimitOptions, {"probe_seconds": -1.0}),
    ],
)
def test_wrong_options_name_themselves(group, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        group(**values)

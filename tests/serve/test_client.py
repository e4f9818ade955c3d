"""The asynchronous client."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest

import poeem
from poeem.serve.client import Client, ServerError
from tests.serve.shop import DIM, best, serving, write_shop

QUERIES = np.random.default_rng(6).standard_normal((4, DIM)).astype("float32")


def test_it_does_all_that_the_server_does(tmp_path):
    folder = write_shop(tmp_path / "shop")
    write_shop(tmp_path / "next", first=1000, seed=5)

    async def talk(app) -> None:
        transport = httpx.ASGITransport(app)
        async with Client("http://127.0.0.1", api_key="k", transport=transport) as client:
            for found in (
                await client.search(vectors=QUERIES, k=5, nprobe=4),
                await client.search(vectors=QUERIES, k=5, nprobe=4, where="price >= 0"),
            ):
                assert found.ids == best(poeem.open(folder), QUERIES, 5, 4)
                assert found.fingerprint == poeem.open(folder).fingerprint
            assert len((await client.search(item="i1", k=3)).ids[0]) == 3
            assert (await client.put(["a/ä b"], QUERIES[:1]))["added"] == 1
            assert (await client.delete("a/ä b"))["deleted"] == 1
            assert (await client.swap("next"))["revision"] == 4
            with pytest.raises(ServerError, match="is not among") as refused:
                await client.search(item="i1")
            assert (refused.value.status, refused.value.field) == (422, "item")
        async with Client("http://127.0.0.1", api_key="wrong", transport=transport) as client:
            with pytest.raises(ServerError, match="key in the header"):
                await client.search(item="i1")

    with serving(folder, api_key="k") as client:
        asyncio.run(talk(client.app))


def test_it_waits_while_the_server_is_busy():
    answers = [httpx.Response(429, headers={"Retry-After": "0"}, json={"message": "busy", "field": None})] * 2
    answers.append(httpx.Response(200, json={"ids": [[1]], "scores": [[2.0]], "fingerprint": "f", "revision": 1}))

    async def talk() -> None:
        queue = iter(answers)
        async with Client("http://x", transport=httpx.MockTransport(lambda request: next(queue))) as client:
            assert (await client.search(item=1)).ids == [[1]]
        queue = iter(answers)
        async with Client("http://x", patience=-1, transport=httpx.MockTransport(lambda _: next(queue))) as client:
            with pytest.raises(ServerError, match="busy"):
                await client.search(item=1)

    asyncio.run(talk())

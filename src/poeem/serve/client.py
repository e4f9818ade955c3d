"""Client: an asynchronous client of ``poeem serve``."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import numpy as np

from poeem.serve.arrays import ARROW, NPY


class Results(NamedTuple):
    """Results of a search, a list for each query, best first."""

    ids: list[list[Any]]
    scores: list[list[float]]
    fingerprint: str
    revision: int


class ServerError(Exception):
    """The server refused a request; ``field`` is what the request should change."""

    def __init__(self, status: int, message: str, field: str | None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


class Client:
    """A client of one server: ``async with Client("http://127.0.0.1:8000") as client: ...``

    Args:
        url: address of the server.
        api_key: its key.
        patience: seconds for which a request is repeated while the server is busy (status 429).
        transport: for tests, see httpx.
    """

    def __init__(self, url: str, *, api_key: str | None = None, patience: float = 10.0, transport: Any = None) -> None:
        headers = {} if api_key is None else {"X-API-Key": api_key}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=30.0, transport=transport)
        self._patience = patience

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def search(self, *, vectors: Any = None, k: int = 10, nprobe: int | None = None, **asked: Any) -> Results:
        """Search by ``vectors (n, dim)``, or by ``user``, ``item``, ``history``, ``query`` or ``image``."""
        if vectors is None or asked:
            listed = {} if vectors is None else {"vectors": np.asarray(vectors).tolist()}
            body = {**listed, **asked, "k": k, **({} if nprobe is None else {"nprobe": nprobe})}
            found = (await self._send("POST", "/search", json=body)).json()
            return Results(found["ids"], found["scores"], found["fingerprint"], found["revision"])
        import pyarrow as pa

        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(vectors), allow_pickle=False)
        numbers = {"k": k, **({} if nprobe is None else {"nprobe": nprobe})}
        headers = {"Content-Type": NPY, "Accept": ARROW}
        answer = await self._send("POST", "/search", params=numbers, content=stream.getvalue(), headers=headers)
        table = pa.ipc.open_stream(answer.content).read_all()
        facts = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
        columns = table["ids"].to_pylist(), table["scores"].to_pylist()
        return Results(*columns, facts["fingerprint"], int(facts["revision"]))

    async def put(self, ids: Sequence[Any], vectors: Any, columns: Mapping[str, list[Any]] | None = None) -> dict:
        """Add or replace items; returns when the change is on the server's disk."""
        body = {"ids": list(ids), "vectors": np.asarray(vectors).tolist(), "columns": columns}
        return (await self._send("PUT", "/items", json=body)).json()

    async def delete(self, id: Any) -> dict:
        """Delete an item."""
        return (await self._send("DELETE", f"/items/{quote(str(id), safe='')}")).json()

    async def swap(self, path: str | None = None, fingerprint: str | None = None) -> dict:
        """Put another version in service."""
        return (await self._send("POST", "/swap", json={"path": path, "fingerprint": fingerprint})).json()

    async def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        until = asyncio.get_running_loop().time() + self._patience
        while True:
            answer = await self._http.request(method, path, **body)
            wait = float(answer.headers.get("Retry-After", 1))
            if answer.status_code != 429 or asyncio.get_running_loop().time() + wait > until:
                break
            await asyncio.sleep(wait)
        if answer.status_code >= 400:
            refused = answer.json()
            raise ServerError(answer.status_code, refused["message"], refused["field"])
        return answer
